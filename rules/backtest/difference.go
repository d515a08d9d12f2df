package backtest

import (
	"callwatch/call"
	"callwatch/rules"
)

// maxDifferences bounds the calls remembered per rule on which two sets differ.
// Beyond it, a call that the two match at different times counts as both caught
// and missed.
const maxDifferences = 100_000

// differences are the calls that one of two sets of rules matched and the other
// did not. Both apply an event before the next one comes, so that only the calls
// on which they differ are kept.
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

// addMatch records a match of the rules under test.
func (d *differences) addMatch(r *rules.Rule, e *rules.Evidence) {
	if x := d.of(r.Name); !x.missed.remove(e.Call.Key()) {
		x.caught.add(e)
	}
}

// addBaselineMatch records a match of the baseline.
func (d *differences) addBaselineMatch(r *rules.Rule, e *rules.Evidence) {
	if x := d.of(r.Name); !x.caught.remove(e.Call.Key()) {
		x.missed.add(e)
	}
}

// matches are calls in the order in which they matched.
type matches struct {
	list    []*CallMatch // nil: removed
	index   map[call.Key]int
	dropped int // not remembered
}

func newMatches() matches { return matches{index: map[call.Key]int{}} }

func (m *matches) add(e *rules.Evidence) {
	k := e.Call.Key()
	if _, have := m.index[k]; have {
		return
	}
	if len(m.index) >= maxDifferences {
		m.dropped++
		return
	}
	if len(m.list) > 2*len(m.index)+64 {
		m.compact()
	}
	m.index[k] = len(m.list)
	m.list = append(m.list, new(matchOf(e)))
}

// remove removes a call and reports whether it was there.
func (m *matches) remove(k call.Key) bool {
	i, have := m.index[k]
	if have {
		delete(m.index, k)
		m.list[i] = nil
	}
	return have
}

func (m *matches) compact() {
	kept := m.list[:0]
	for _, c := range m.list {
		if c != nil {
			m.index[call.Key{Provider: c.Provider, Account: c.Account, CallID: c.CallID}] = len(kept)
			kept = append(kept, c)
		}
	}
	clear(m.list[len(kept):])
	m.list = kept
}

// first returns at most n of the calls, and how many more there are.
func (m *matches) first(n int) (list []CallMatch, more int) {
	list = []CallMatch{}
	for _, c := range m.list {
		if c != nil && len(list) < n {
			list = append(list, *c)
		}
	}
	return list, m.count() - len(list)
}

func (m *matches) count() int { return len(m.index) + m.dropped }
