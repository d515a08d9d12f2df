// Package registry lists the providers: one line each. It is the only package that
// imports them; the programs take from it what they need and name no provider.
package registry

import (
	"fmt"
	"sync"

	"callwatch/normalizer"
	"callwatch/normalizer/atoms"
	"callwatch/normalizer/bird"
	"callwatch/normalizer/butter"
	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/signalwire"
	"callwatch/normalizer/simulate"
	"callwatch/normalizer/telnyx"
	"callwatch/normalizer/twilio"
)

// Entry is what one provider's folder declares. Only Provider is required.
type Entry struct {
	Provider  normalizer.Provider
	Simulator *simulate.Source   // nil: its traffic cannot be simulated
	FakeAPIs  []providerfake.API // stand-ins for its REST API, in tests and in the demo; none without REST
}

// All are the providers that callwatch knows, in the order of the documentation.
func All() []Entry {
	return []Entry{
		{telnyx.Provider(), telnyx.Simulator(), telnyx.FakeAPIs()},
		{signalwire.Provider(), signalwire.Simulator(), signalwire.FakeAPIs()},
		{bird.Provider(), bird.Simulator(), bird.FakeAPIs()},
		{atoms.Provider(), atoms.Simulator(), atoms.FakeAPIs()},
		{butter.Provider(), butter.Simulator(), butter.FakeAPIs()},
		{twilio.Provider(), twilio.Simulator(), twilio.FakeAPIs()},
	}
}

// Providers are the providers of All.
func Providers() normalizer.Registry {
	all := All()
	providers := make(normalizer.Registry, len(all))
	for i := range all {
		providers[i] = all[i].Provider
	}
	return providers
}

// Find returns the provider of that name.
func Find(name string) (normalizer.Provider, bool) { return known().Find(name) }

// known are the Providers, made once: one is looked up for every webhook.
var known = sync.OnceValue(Providers)

// Simulators are the providers whose traffic can be simulated.
func Simulators() simulate.Sources {
	var sources simulate.Sources
	for _, e := range All() {
		if e.Simulator != nil {
			sources = append(sources, *e.Simulator)
		}
	}
	return sources
}

// FakeAPI returns a stand-in for the REST API of a provider. The variant is "" for the
// one that its provider lists first.
func FakeAPI(provider, variant string) (providerfake.API, error) {
	for _, e := range All() {
		for _, a := range e.FakeAPIs {
			if e.Provider.Name == provider && a.Variant == variant {
				return a, nil
			}
		}
	}
	return providerfake.API{}, fmt.Errorf("no fake API %q of provider %q", variant, provider)
}
