package simulate

import (
	"slices"

	"callwatch/normalizer"
)

// sources are the providers whose traffic can be simulated.
func sources() []source {
	return []source{
		telnyx(),
		signalwire(),
		bird(),
		atoms(),
		butter(),
	}
}

// source is how traffic of one provider is made.
type source struct {
	name   string
	weight int // share of the calls
	// settings the senders need beside those of the receiver.
	settings []normalizer.Setting
	// generate draws random bytes and fills both halves of the secrets, except
	// the URL token, which every provider has. send gets what receive has.
	generate func(draw func(n int) []byte, receive, send normalizer.Keys)
	check    func(send normalizer.Keys) error // refuses keys that can never work; may be nil
	forms    []form
	kinds    []string // all kinds of request that occur in its good and bad calls
}

// form is one way in which a provider tells calls: an API generation, an SDK.
type form struct {
	name   string
	weight int
	proof  proof
	shows  []fault // what it can show; every form tells good calls
	tell   func(n *narrator)
}

func (f *form) tells(what fault) bool {
	return what == none || what == hostile || slices.Contains(f.shows, what)
}

func findSource(name string) (source, bool) {
	for _, s := range sources() {
		if s.name == name {
			return s, true
		}
	}
	return source{}, false
}

// Providers are the names of the providers whose traffic can be simulated.
func Providers() []string {
	var names []string
	for _, s := range sources() {
		names = append(names, s.name)
	}
	return names
}

// Kinds are the kinds of request that the provider's calls consist of.
func Kinds(provider string) []string {
	s, _ := findSource(provider)
	return s.kinds
}
