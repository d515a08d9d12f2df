package call

import "slices"

// maxAliases is how many other ids an event may have.
const maxAliases = 8

// Aliases knows under which id the events of a call are kept where a provider
// calls it by several: the id by which it was heard of first. Which one that is
// depends on the order of the webhooks; that it is one does not, as long as any
// two of a call's events are joined by those that came before. It remembers a
// bounded number of ids, and forgets the oldest.
type Aliases struct {
	most  int
	id    map[Key]string // the id of the call, by each of its ids
	order []Key          // of id, in a ring
	next  int
}

// NewAliases makes an empty one that remembers most ids.
func NewAliases(most int) *Aliases { return &Aliases{most: most, id: map[Key]string{}} }

// Resolve returns the id under which a call is kept and its further ids, given
// the id and the further ids that one of its events has.
func (a *Aliases) Resolve(k Key, aliases []string) (string, []string) {
	id := k.CallID
	names := append([]string{id}, aliases[:min(len(aliases), maxAliases)]...)
	kept := id
	for _, name := range names {
		if known, ok := a.id[k.With(name)]; ok {
			kept = known
			break
		}
	}
	for _, name := range names {
		a.learn(k.With(name), kept)
	}
	if kept == id {
		return id, aliases
	}
	others := slices.DeleteFunc(names, func(name string) bool { return name == kept })
	slices.Sort(others)
	return kept, slices.Compact(others)
}

func (a *Aliases) learn(k Key, id string) {
	if _, ok := a.id[k]; ok {
		return
	}
	a.id[k] = id
	if len(a.order) < a.most {
		a.order = append(a.order, k)
		return
	}
	delete(a.id, a.order[a.next])
	a.order[a.next] = k
	a.next = (a.next + 1) % a.most
}

// Rename gives the event the id under which its call is kept.
func (a *Aliases) Rename(e *Event) {
	e.CallID, e.Aliases = a.Resolve(e.Key(), e.Aliases)
}
