package normalizer

// Registry is a list of providers, in the order of the documentation.
type Registry []Provider

// Find returns the provider of that name.
func (r Registry) Find(name string) (Provider, bool) {
	for i := range r {
		if r[i].Name == name {
			return r[i], true
		}
	}
	return Provider{}, false
}

// Names are the names of the providers, in their order.
func (r Registry) Names() []string {
	names := make([]string, len(r))
	for i := range r {
		names[i] = r[i].Name
	}
	return names
}

// With returns a copy of the registry in which the provider replaces the one of
// its name, or behind the others.
func (r Registry) With(p Provider) Registry {
	changed := append(Registry(nil), r...)
	for i := range changed {
		if changed[i].Name == p.Name {
			changed[i] = p
			return changed
		}
	}
	return append(changed, p)
}
