package backtest

import (
	"cmp"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
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

// match counts a call that matched.
func (y *tally) match(r *rules.Rule, e *rules.Evidence) {
	y.hour(e.At).Matched++
	y.key(r.LabelsOf(&e.Call)).Matched++
	if !y.list(e) {
		y.omitted++
	}
}

// list adds a call to the list. It reports whether the list holds the call.
func (y *tally) list(e *rules.Evidence) bool {
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

// transition counts a step of an incident.
func (y *tally) transition(t *rules.Transition) {
	in := &t.Incident
	th := y.threads[in.ID]
	if th == nil {
		th = &thread{}
		y.threads[in.ID] = th
	}
	n := th.messages(t)
	key := y.key(in.By)
	if t.Step == rules.StepOpened {
		y.incidents++
		key.Incidents++
	}
	if t.Step == rules.StepResolved {
		delete(y.threads, in.ID)
	}
	y.messages += n
	key.Messages += n
	y.hour(t.At).Messages += n
	if in.Values != nil { // a rule over windows: its evidence is the list
		for _, e := range in.Samples {
			e.At = engine.Happened(&e.Call, e.At) // it says when the window was judged
			y.list(&e)
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

func (y *tally) key(by []rules.Label) *KeyCount {
	name := rules.JoinLabels(by)
	k := y.keys[name]
	if k == nil {
		k = &KeyCount{By: by}
		if len(y.keys) < maxTallyKeys {
			y.keys[name] = k
		}
	}
	return k
}

// busiest returns the hour with the most messages, then the most matches; the
// earliest of equals; nil if nothing happened.
func (y *tally) busiest() *Busy {
	var most *Busy
	for _, b := range y.hours {
		if most == nil || cmp.Or(cmp.Compare(b.Messages, most.Messages), cmp.Compare(b.Matched, most.Matched), most.Start.Compare(b.Start)) > 0 {
			most = b
		}
	}
	return most
}

// top returns the keys with the most messages, then the most matches.
func (y *tally) top() []KeyCount {
	all := make([]KeyCount, 0, len(y.keys))
	for _, k := range y.keys {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b KeyCount) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(b.Matched, a.Matched), cmp.Compare(rules.JoinLabels(a.By), rules.JoinLabels(b.By)))
	})
	return all[:min(len(all), topKeys)]
}

func matchOf(e *rules.Evidence) CallMatch {
	return CallMatch{
		Provider: e.Call.Provider, Account: e.Call.Account, CallID: e.Call.CallID, At: e.At, Severity: e.Severity, Held: e.Held(),
	}
}
