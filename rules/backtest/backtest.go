// Package backtest runs rules over stored events: Backtest reports what the rules
// would have announced, and how that differs from a baseline; Limit is a condition
// on such a report; Suggest shows how the values of a field are distributed, to
// choose a threshold. It reads no clock and no store: the caller hands in the
// events. It may import rules and the packages below it.
package backtest

import (
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
)

// Options choose what a backtest compares and keeps.
type Options struct {
	Engine   engine.Options
	Baseline *rules.Set // rules to compare with; nil: none
	MaxCalls int        // calls listed per rule and list; 0 is 1000
}

const defaultMaxCalls = 1000

// Backtest applies rules to stored events and counts what they would have
// announced. The same events give the same report. Its memory is bounded, except
// for the open calls and incidents that the engine keeps.
type Backtest struct {
	trial       *trial
	baseline    *trial // nil: none
	differences differences
	events      int
	calls       int
	from, to    time.Time
}

// New returns a backtest of set that has seen no event.
func New(set *rules.Set, o Options) *Backtest {
	if o.MaxCalls == 0 {
		o.MaxCalls = defaultMaxCalls
	}
	b := &Backtest{differences: differences{limit: o.MaxCalls, rules: map[string]*difference{}}}
	b.trial = newTrial(set, o)
	if o.Baseline != nil {
		b.baseline = newTrial(o.Baseline, o)
		b.trial.matched = b.differences.addMatch
		b.baseline.matched = b.differences.addBaselineMatch
	}
	return b
}

// Event advances time to at, when the event was stored, and applies the event. It
// returns the transitions that both caused, without those of the baseline. Events
// come in the order of at; an earlier at counts as the latest one seen.
func (b *Backtest) Event(at time.Time, e *call.Event) []rules.Transition {
	return b.EventText(at, e, nil)
}

// EventText is Event of an event that call.ReadEvent reads from a text, which is kept and must
// not change: see engine.ApplyText.
func (b *Backtest) EventText(at time.Time, e *call.Event, text []byte) []rules.Transition {
	b.events++
	b.span(at)
	if b.baseline != nil {
		b.baseline.event(at, e, text)
	}
	known := b.trial.knows(e)
	made := b.trial.event(at, e, text)
	if !known && b.trial.knows(e) {
		b.calls++
	}
	return made
}

// Tick advances time to at and returns the transitions that this caused.
func (b *Backtest) Tick(at time.Time) []rules.Transition {
	b.span(at)
	if b.baseline != nil {
		b.baseline.tick(at)
	}
	return b.trial.tick(at)
}

// Resume records that callwatch started at at: it did not run since the input
// before, so that the time between says nothing about absent calls.
func (b *Backtest) Resume(at time.Time) []rules.Transition {
	b.span(at)
	if b.baseline != nil {
		b.baseline.resume(at)
	}
	return b.trial.resume(at)
}

func (b *Backtest) span(at time.Time) {
	if b.from.IsZero() {
		b.from = at
	}
	if at.After(b.to) {
		b.to = at
	}
}

// trial is one set of rules with its engine and its counts.
type trial struct {
	engine  *engine.Engine
	set     *rules.Set
	seq     uint64
	tallies map[string]*tally
	matched func(*rules.Rule, *rules.Evidence) // called for each match; may be nil
	made    []rules.Transition                 // by the input at hand
}

func newTrial(set *rules.Set, o Options) *trial {
	t := &trial{set: set, tallies: map[string]*tally{}}
	for _, r := range set.Rules {
		t.tallies[r.Name] = newTally(o.MaxCalls)
	}
	o.Engine.Matched = func(r *rules.Rule, e *rules.Evidence) {
		t.tallies[r.Name].match(r, e)
		if t.matched != nil {
			t.matched(r, e)
		}
	}
	t.engine = engine.New(set, o.Engine)
	return t
}

func (t *trial) knows(e *call.Event) bool { return t.engine.Has(e.Key()) }

func (t *trial) event(at time.Time, e *call.Event, text []byte) []rules.Transition {
	t.made = nil
	t.advance(at)
	t.seq++
	t.take(t.engine.ApplyText(t.seq, at, e, text))
	return t.made
}

func (t *trial) tick(at time.Time) []rules.Transition {
	t.made = nil
	t.advance(at)
	t.seq++
	t.take(t.engine.Tick(t.seq, at))
	return t.made
}

func (t *trial) resume(at time.Time) []rules.Transition {
	t.made = nil
	t.seq++
	t.take(t.engine.Act(t.seq, at, rules.Action{Do: rules.Resume, By: "callwatch"}))
	return t.made
}

// advance ticks the engine at each of its deadlines before a time, as the judge
// stage does.
func (t *trial) advance(to time.Time) {
	for due := t.engine.NextDeadline(); !due.IsZero() && due.Before(to); {
		t.seq++
		t.take(t.engine.Tick(t.seq, due))
		next := t.engine.NextDeadline()
		if !next.After(due) {
			return
		}
		due = next
	}
}

func (t *trial) take(made []rules.Transition) {
	for i := range made {
		if tally := t.tallies[made[i].Incident.Rule]; tally != nil {
			tally.transition(&made[i])
		}
	}
	t.made = append(t.made, made...)
}
