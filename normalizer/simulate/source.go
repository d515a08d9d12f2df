package simulate

import (
	"slices"

	"callwatch/normalizer"
)

// Source is how traffic of one provider is made.
type Source struct {
	Name   string
	Weight int // share of the calls
	// Regions are those that its calls can be in; none: it does not tell.
	Regions []string
	// Settings the senders need beside those of the receiver.
	Settings []normalizer.Setting
	// Generate draws random bytes and fills both halves of the secrets, except
	// the URL token, which every provider has. send gets what receive has.
	Generate func(draw func(n int) []byte, receive, send normalizer.Keys)
	Check    func(send normalizer.Keys) error // refuses keys that can never work; may be nil
	Forms    []Form
	Kinds    []string // all kinds of request that occur in its good and bad calls
}

// Form is one way in which a provider tells calls: an API generation, an SDK.
type Form struct {
	Name   string
	Weight int
	Proof  Proof
	Shows  []Fault // what it can show; every form tells good calls
	Render func(n *Renderer)
}

func (f *Form) CanShow(what Fault) bool {
	return what == None || what == hostile || slices.Contains(f.Shows, what)
}

// Sources are the providers whose traffic can be simulated.
type Sources []Source

func (all Sources) find(name string) (Source, bool) {
	for i := range all {
		if all[i].Name == name {
			return all[i], true
		}
	}
	return Source{}, false
}

// Names are the names of the providers.
func (all Sources) Names() []string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names
}

// Kinds are the kinds of request that the provider's calls consist of.
func (all Sources) Kinds(provider string) []string {
	s, _ := all.find(provider)
	return s.Kinds
}
