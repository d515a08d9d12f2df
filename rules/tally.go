package rules

import (
	"cmp"
	"slices"
	"time"

	"callwatch/call"
)

// Bounds of what a tally keeps per rule.
const (
	maxTallyKeys  = 10_000
	maxTallyHours = 100_000
	topKeys       = 10
)

// tally counts what one rule does in a backtest.
type tally struct {
	limit     int // calls listed
	incidents int
	messages  int
	threads   map[string]*thread // of open incidents, by their id
	hours     map[int64]*Busy
	keys      map[string]*KeyCount
	calls     []CallMatch
	listed    map[call.Key]bool
	omitted   int // matches past the limit
}

func newTally(limit int) *tally {
	return &tally{
		limit: limit, threads: map[string]*thread{}, hours: map[int64]*Busy{},
		keys: map[string]*KeyCount{}, listed: map[call.Key]bool{},
	}
}

// match takes in one call that matched.
func (y *tally) match(r *Rule, e *Evidence) {
	y.hour(e.At).Matched++
	y.key(r.labels(&e.Call)).Matched++
	if !y.list(e) {
		y.omitted++
	}
}

// list says whether the call is listed, or was already.
func (y *tally) list(e *Evidence) bool {
	k := e.Call.Key()
	if y.listed[k] {
		return true
	}
	if len(y.calls) >= y.limit {
		return false
	}
	y.listed[k] = true
	y.calls = append(y.calls, matchOf(e))
	return true
}

// transition takes in one step of an incident.
func (y *tally) transition(t *Transition) {
	in := &t.Incident
	th := y.threads[in.ID]
	if th == nil {
		th = &thread{}
		y.threads[in.ID] = th
	}
	n := th.messages(t)
	key := y.key(in.By)
	if t.Step == StepOpened {
		y.incidents++
		key.Incidents++
	}
	if t.Step == StepResolved {
		delete(y.threads, in.ID)
	}
	y.messages += n
	key.Messages += n
	y.hour(t.At).Messages += n
	if in.Values != nil { // a rule over windows: its calls are the evidence
		for i := range in.Samples {
			y.list(&in.Samples[i])
		}
	}
}

func (y *tally) hour(at time.Time) *Busy {
	n := at.Unix() / 3600
	b := y.hours[n]
	if b == nil {
		b = &Busy{Start: at.UTC().Truncate(time.Hour)}
		if len(y.hours) < maxTallyHours {
			y.hours[n] = b
		}
	}
	return b
}

func (y *tally) key(by []Label) *KeyCount {
	name := keyOf(by)
	k := y.keys[name]
	if k == nil {
		k = &KeyCount{By: by}
		if len(y.keys) < maxTallyKeys {
			y.keys[name] = k
		}
	}
	return k
}

// busiest is the hour with the most messages, then the most matches; the
// earliest of equals. nil where nothing happened.
func (y *tally) busiest() *Busy {
	var most *Busy
	for _, b := range y.hours {
		if most == nil || cmp.Or(cmp.Compare(b.Messages, most.Messages), cmp.Compare(b.Matched, most.Matched), most.Start.Compare(b.Start)) > 0 {
			most = b
		}
	}
	return most
}

// top are the keys with the most messages, then the most matches.
func (y *tally) top() []KeyCount {
	all := make([]KeyCount, 0, len(y.keys))
	for _, k := range y.keys {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b KeyCount) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(b.Matched, a.Matched), cmp.Compare(keyOf(a.By), keyOf(b.By)))
	})
	return all[:min(len(all), topKeys)]
}

func matchOf(e *Evidence) CallMatch {
	return CallMatch{
		Provider: e.Call.Provider, CallID: e.Call.CallID, At: e.At, Severity: e.Severity, Held: e.Held(),
	}
}
