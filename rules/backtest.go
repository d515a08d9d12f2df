package rules

import (
	"time"

	"callwatch/call"
)

// BacktestOptions choose what a backtest compares and keeps.
type BacktestOptions struct {
	Engine   Options
	Baseline *Set // rules to compare with; nil for none
	MaxCalls int  // calls listed per rule and list; 0: 1000
}

const defaultMaxCalls = 1000

// Backtest runs rules over past events, handed in one after the other, and
// reports what they would have announced. It looks at no clock: the same events
// give the same report. What it keeps is bounded but for the open calls and
// incidents that the engine itself keeps.
type Backtest struct {
	trial       *trial
	baseline    *trial // nil without one
	differences differences
	events      int
	calls       int
	from, to    time.Time
}

// NewBacktest is a backtest of set without a past.
func NewBacktest(set *Set, o BacktestOptions) *Backtest {
	if o.MaxCalls == 0 {
		o.MaxCalls = defaultMaxCalls
	}
	b := &Backtest{differences: differences{limit: o.MaxCalls, rules: map[string]*difference{}}}
	b.trial = newTrial(set, o)
	if o.Baseline != nil {
		b.baseline = newTrial(o.Baseline, o)
		b.trial.matched = b.differences.now
		b.baseline.matched = b.differences.before
	}
	return b
}

// Event lets time pass to when the event was stored, then folds it. It returns
// the transitions that both made happen, those of the baseline left out. Events
// come in the order of at; an earlier one counts as stored when the latest was.
func (b *Backtest) Event(at time.Time, e *call.Event) []Transition {
	b.events++
	b.span(at)
	if b.baseline != nil {
		b.baseline.event(at, e)
	}
	known := b.trial.keeps(e)
	made := b.trial.event(at, e)
	if !known && b.trial.keeps(e) {
		b.calls++
	}
	return made
}

// Tick lets time pass to at.
func (b *Backtest) Tick(at time.Time) []Transition {
	b.span(at)
	if b.baseline != nil {
		b.baseline.tick(at)
	}
	return b.trial.tick(at)
}

// Resume says that callwatch was started at a time: since the input before nobody
// watched the calls.
func (b *Backtest) Resume(at time.Time) []Transition {
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
	b.to = later(b.to, at)
}

// trial is one set of rules under test.
type trial struct {
	engine  *Engine
	set     *Set
	seq     uint64
	tallies map[string]*tally
	matched func(*Rule, *Evidence) // beside the tallies; nil for nobody
	made    []Transition
}

func newTrial(set *Set, o BacktestOptions) *trial {
	t := &trial{set: set, tallies: map[string]*tally{}}
	for _, r := range set.Rules {
		t.tallies[r.Name] = newTally(o.MaxCalls)
	}
	o.Engine.Matched = func(r *Rule, e *Evidence) {
		t.tallies[r.Name].match(r, e)
		if t.matched != nil {
			t.matched(r, e)
		}
	}
	t.engine = NewEngine(set, o.Engine)
	return t
}

func (t *trial) keeps(e *call.Event) bool {
	_, ok := t.engine.Call(e.Key())
	return ok
}

func (t *trial) event(at time.Time, e *call.Event) []Transition {
	t.made = nil
	t.advance(at)
	t.seq++
	t.take(t.engine.Apply(t.seq, at, e))
	return t.made
}

func (t *trial) tick(at time.Time) []Transition {
	t.made = nil
	t.advance(at)
	t.seq++
	t.take(t.engine.Tick(t.seq, at))
	return t.made
}

func (t *trial) resume(at time.Time) []Transition {
	t.made = nil
	t.seq++
	t.take(t.engine.Mark(t.seq, at, Action{Do: Resume, By: "callwatch"}))
	return t.made
}

// advance gives the engine the ticks it asks for before a time, as it gets them
// when it runs live.
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

func (t *trial) take(made []Transition) {
	for i := range made {
		if tally := t.tallies[made[i].Incident.Rule]; tally != nil {
			tally.transition(&made[i])
		}
	}
	t.made = append(t.made, made...)
}
