package ruletest

import (
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/numbers"
)

// Trace is an engine that remembers for each call what the rules made of it. It
// is the same fold as the one that runs live.
type Trace struct {
	engine *engine.Engine
	set    *rules.Set
	index  map[string]int // of each rule in the set
	facts  condition.Facts
	calls  map[call.Key]*traced
	order  []call.Key

	// Transitions are those that the events and the passing of time have made.
	Transitions []rules.Transition

	met []metRule // since the last step

	only     string    // the one rule that is of interest; "" is all of them
	coverage *Coverage // nil: not wanted

	ticks    int // so far
	maxTicks int // time stands still after so many; 0: never

	focused bool // only the calls in focus are explained
	focus   map[call.Key]bool
	waiting map[keyOf][]call.Key // calls whose window holds, and whose rule waits for its `for`
}

// metRule is a rule that matched a call.
type metRule struct {
	rule int
	call call.Key
}

// traced is what the rules made of one call so far.
type traced struct {
	latest *call.Event               // as the event that came last left it
	rules  map[int]rules.Explanation // by the rule's place in the set
	done   map[int]bool              // matched: nothing later changes that
}

// NewTrace is a trace without events.
func NewTrace(set *rules.Set, o engine.Options) *Trace {
	t := &Trace{set: set, index: map[string]int{}, calls: map[call.Key]*traced{}, waiting: map[keyOf][]call.Key{}}
	for i, r := range set.Rules {
		t.index[r.Name] = i
	}
	next := o.Matched
	o.Matched = func(r *rules.Rule, e *rules.Evidence) {
		t.met = append(t.met, metRule{t.index[r.Name], e.Call.Key()})
		if next != nil {
			next(r, e)
		}
	}
	o.Counted = t.counted
	t.engine = engine.New(set, o)
	return t
}

// Focus limits the explanations to calls that are named: the others only count.
func (t *Trace) Focus(keys ...call.Key) {
	if t.focused = true; t.focus == nil {
		t.focus = map[call.Key]bool{}
	}
	for _, k := range keys {
		t.focus[k] = true
	}
}

// Done reports whether nothing that comes later changes what windows make of the
// call.
func (t *Trace) Done(k call.Key) bool {
	tr := t.calls[k]
	if tr == nil {
		return false
	}
	for i, r := range t.set.Rules {
		if r.Window != nil && r.Mode != rules.Off && !tr.done[i] {
			return false
		}
	}
	for _, keys := range t.waiting {
		if slices.Contains(keys, k) {
			return false
		}
	}
	return true
}

// Only limits the explanations to one rule; false where there is none of the name.
func (t *Trace) Only(rule string) bool {
	t.only = rule
	return t.set.Rule(rule) != nil
}

// Apply lets time pass to a point in stream time, as backtest does, and folds an
// event that came then.
func (t *Trace) Apply(at time.Time, e *call.Event) {
	t.advance(at)
	t.Transitions = append(t.Transitions, t.engine.Apply(t.engine.Seq()+1, at, e)...)
	t.met = t.met[:0] // this call is explained below
	t.settlePending()
	cs := t.engine.CallState(e.Key())
	if cs == nil {
		return
	}
	if t.focused && !t.focus[e.Key()] {
		t.observe(cs, e)
		t.observeWindows()
		return
	}
	tr := t.traced(e.Key())
	tr.latest = new(cs.Call.Clone())
	for i, r := range t.set.Rules {
		if t.only != "" && r.Name != t.only || tr.done[i] {
			continue
		}
		view := &cs.Call.Event
		if r.For.Need > 0 {
			view = cs.Call.With(e)
		}
		t.explain(i, r, cs, tr, view, e.Kind)
	}
	t.observeWindows()
}

// traced is what is known of a call, from its first event on.
func (t *Trace) traced(k call.Key) *traced {
	tr := t.calls[k]
	if tr == nil {
		tr = &traced{rules: map[int]rules.Explanation{}, done: map[int]bool{}}
		t.calls[k] = tr
		t.order = append(t.order, k)
	}
	return tr
}

// observe counts for the coverage what the rule of interest makes of a call that
// is not explained.
func (t *Trace) observe(cs *calls.State, e *call.Event) {
	if t.coverage == nil {
		return
	}
	r := t.set.Rule(t.only)
	view := &cs.Call.Event
	if r.For.Need > 0 {
		view = cs.Call.With(e)
	}
	if r.Window == nil && r.Wakes(e.Kind) || r.Window != nil && cs.Over {
		t.facts.Load(view)
		t.coverage.observe(r, &t.facts)
	}
}

// explain keeps the explanation of one rule up to date. An event that does not
// wake the rule says nothing new about it.
func (t *Trace) explain(i int, r *rules.Rule, cs *calls.State, tr *traced, view *call.Event, kind call.Kind) {
	t.facts.Load(view)
	if t.coverage != nil && (r.Window == nil && r.Wakes(kind) || r.Window != nil && cs.Over) {
		t.coverage.observe(r, &t.facts)
	}
	if _, have := tr.rules[i]; have && !r.Wakes(kind) && cs.Outcomes[i] != calls.Matched {
		return
	}
	x := r.Explain(&t.facts, kind)
	x.At, x.By = t.engine.Now(), r.LabelsOf(view)
	if r.New != nil {
		t.novelty(i, r, cs, &x)
	}
	if x.Verdict == rules.VerdictMatched {
		t.dispose(i, r, cs, &x)
	}
	tr.rules[i], tr.done[i] = x, cs.Outcomes[i] == calls.Matched
}

// dispose tells what became of a match: what held it back, or where it went.
func (t *Trace) dispose(i int, r *rules.Rule, cs *calls.State, x *rules.Explanation) {
	if r.Mode == rules.Off {
		x.HoldBack("mode", "the rule is off")
		return
	}
	if cs.Outcomes[i] != calls.Matched {
		if r.For.Duration > 0 && cs.Over {
			x.HoldBack("for", "the call ended before the condition had held for "+numbers.FormatDuration(r.For.Duration))
			return
		}
		x.HoldBack("for", waiting(r, cs, i, t.engine.Now()))
		return
	}
	t.announced(r, t.engine.KeyState(r.Name, rules.JoinLabels(x.By)), x)
}

// announced tells which incident a match belongs to, or why there is none.
func (t *Trace) announced(r *rules.Rule, k *lifecycle.KeyState, x *rules.Explanation) {
	now := t.engine.Now()
	switch {
	case k != nil && k.Incident != nil:
		x.Incident, x.Slack = k.Incident.ID, k.Incident.Slack
		unannounced(x, k.Incident)
	case k != nil && now.Before(k.QuietTill):
		x.HoldBack("cooldown", "an incident was resolved a short while ago: no new one before "+k.QuietTill.Format(time.RFC3339))
	case !r.Active.Of(x.Severity).Covers(now):
		x.HoldBack("active", "outside the hours in which incidents open")
	}
	if r.Mode == rules.Shadow {
		x.HoldBack("mode", "the rule is in shadow mode: recorded, nothing is sent")
	}
}

// unannounced tells why an incident says nothing of its own.
func unannounced(x *rules.Explanation, in *rules.Incident) {
	if in.Silence != nil {
		x.HoldBack("silence", fmt.Sprintf("silenced until %s where %s", in.Silence.Until.Format(time.RFC3339), in.Silence.Match))
	}
	if in.Parent != "" {
		x.HoldBack("adopts", "told in the thread of incident "+in.Parent)
	}
}

// waiting says how far the rule's `for` has come on a call.
func waiting(r *rules.Rule, cs *calls.State, rule int, now time.Time) string {
	since, recent := cs.Hold(rule)
	if r.For.Need == 0 {
		held := time.Duration(0)
		if !since.IsZero() {
			held = now.Sub(since)
		}
		return fmt.Sprintf("has held for %s, must hold for %s", numbers.FormatDuration(held), numbers.FormatDuration(r.For.Duration))
	}
	n := 0
	for _, b := range recent {
		if b {
			n++
		}
	}
	return fmt.Sprintf("held in %d of the latest %d events, must hold in %d of %d", n, len(recent), r.For.Need, r.For.Of)
}

// advance ticks at each deadline before a point in time.
func (t *Trace) advance(until time.Time) {
	for {
		due := t.engine.NextDeadline()
		if due.IsZero() || !due.Before(until) || t.stuck() {
			return
		}
		t.tick(laterOf(due, t.engine.Now().Add(time.Second)))
	}
}

// Wait lets stream time pass, with a tick at each deadline on the way.
func (t *Trace) Wait(until time.Time) {
	t.advance(until)
	t.tick(laterOf(until, t.engine.Now()))
}

// stuck reports whether more deadlines have passed than the trace may take.
func (t *Trace) stuck() bool { return t.maxTicks > 0 && t.ticks > t.maxTicks }

func (t *Trace) tick(at time.Time) {
	t.ticks++
	t.Transitions = append(t.Transitions, t.engine.Tick(t.engine.Seq()+1, at)...)
	t.settlePending()
	t.observeWindows()
	for _, m := range t.met {
		tr, r := t.calls[m.call], t.set.Rules[m.rule]
		if tr == nil || r.For.Duration == 0 || tr.done[m.rule] || t.only != "" && r.Name != t.only {
			continue
		}
		if cs := t.engine.CallState(m.call); cs != nil && cs.Outcomes[m.rule] == calls.Matched {
			t.explain(m.rule, r, cs, tr, &cs.Call.Event, r.On[0])
		}
	}
	t.met = t.met[:0]
}

// Calls explains every call in the order in which they appeared.
func (t *Trace) Calls() []rules.CallExplanation {
	out := make([]rules.CallExplanation, 0, len(t.order))
	for _, key := range t.order {
		tr := t.calls[key]
		x := rules.CallExplanation{Call: *tr.latest, Rules: []rules.Explanation{}}
		for i, r := range t.set.Rules {
			e, ok := tr.rules[i]
			if !ok {
				continue
			}
			if r.Window == nil || !tr.done[i] {
				t.ofKey(i, r, t.engine.CallState(key), &e)
			}
			x.Rules = append(x.Rules, e)
		}
		out = append(out, x)
	}
	return out
}

// keyOf names the state of one rule for one key.
type keyOf struct{ rule, key string }

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
