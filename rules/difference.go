package rules

import "callwatch/call"

// maxDifferences is how many calls of a rule are remembered on which two sets
// differ. Past it, a call that the two match at different times counts as both
// caught and missed.
const maxDifferences = 100_000

// differences are the calls that one of two sets of rules matched and the other
// did not. Both fold the same event one after the other, so that only those few
// are kept on which they differ.
type differences struct {
	limit int // calls listed
	rules map[string]*difference
}

type difference struct{ caught, missed matches }

func (d *differences) of(rule string) *difference {
	x := d.rules[rule]
	if x == nil {
		x = &difference{newMatches(), newMatches()}
		d.rules[rule] = x
	}
	return x
}

// now takes in a match of the rules under test.
func (d *differences) now(r *Rule, e *Evidence) {
	if x := d.of(r.Name); !x.missed.remove(e.Call.Key()) {
		x.caught.add(e)
	}
}

// before takes in a match of the baseline.
func (d *differences) before(r *Rule, e *Evidence) {
	if x := d.of(r.Name); !x.caught.remove(e.Call.Key()) {
		x.missed.add(e)
	}
}

// matches are calls in the order in which they matched.
type matches struct {
	list    []*CallMatch // nil: taken out
	place   map[call.Key]int
	dropped int // not remembered
}

func newMatches() matches { return matches{place: map[call.Key]int{}} }

func (m *matches) add(e *Evidence) {
	k := e.Call.Key()
	if _, have := m.place[k]; have {
		return
	}
	if len(m.place) >= maxDifferences {
		m.dropped++
		return
	}
	if len(m.list) > 2*len(m.place)+64 {
		m.compact()
	}
	m.place[k] = len(m.list)
	m.list = append(m.list, new(matchOf(e)))
}

// remove says whether the call was there.
func (m *matches) remove(k call.Key) bool {
	i, have := m.place[k]
	if have {
		delete(m.place, k)
		m.list[i] = nil
	}
	return have
}

func (m *matches) compact() {
	kept := m.list[:0]
	for _, c := range m.list {
		if c != nil {
			m.place[call.Key{Provider: c.Provider, CallID: c.CallID}] = len(kept)
			kept = append(kept, c)
		}
	}
	clear(m.list[len(kept):])
	m.list = kept
}

// first are at most n of the calls, and how many more there are.
func (m *matches) first(n int) (list []CallMatch, more int) {
	list = []CallMatch{}
	for _, c := range m.list {
		if c != nil && len(list) < n {
			list = append(list, *c)
		}
	}
	return list, m.count() - len(list)
}

func (m *matches) count() int { return len(m.place) + m.dropped }
