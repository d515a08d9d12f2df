package rules

import (
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// Trace is an engine that remembers for each call what the rules made of it. It
// is the same fold as the one that runs live.
type Trace struct {
	engine *Engine
	facts  condition.Facts
	calls  map[call.Key]*traced
	order  []call.Key

	// Transitions are those that the events and the passing of time have made.
	Transitions []Transition

	met []metRule // since the last step

	only     string    // the one rule that is of interest; "" is all of them
	coverage *Coverage // nil: not wanted

	ticks    int // so far
	maxTicks int // time stands still after so many; 0: never

	focused bool // only the calls in focus are explained
	focus   map[call.Key]bool
	waiting map[ruleKey][]call.Key // calls whose window holds, and whose rule waits for its `for`
}

// metRule is a rule that matched a call.
type metRule struct {
	rule int
	call call.Key
}

// traced is what the rules made of one call so far.
type traced struct {
	latest *call.Event         // as the event that came last left it
	rules  map[int]Explanation // by the rule's place in the set
	done   map[int]bool        // matched: nothing later changes that
}

// CallExplanation is what every rule made of one call.
type CallExplanation struct {
	Call  call.Event    `json:"call"` // as known at the end
	Rules []Explanation `json:"rules"`
}

// NewTrace is a trace without events.
func NewTrace(set *Set, o Options) *Trace {
	t := &Trace{calls: map[call.Key]*traced{}, waiting: map[ruleKey][]call.Key{}}
	next := o.Matched
	o.Matched = func(r *Rule, e *Evidence) {
		t.met = append(t.met, metRule{t.engine.indexed[r.Name], e.Call.Key()})
		if next != nil {
			next(r, e)
		}
	}
	o.counted = t.counted
	t.engine = NewEngine(set, o)
	return t
}

// Focus limits the explanations to calls that are named: the others only count.
func (t *Trace) Focus(calls ...call.Key) {
	if t.focused = true; t.focus == nil {
		t.focus = map[call.Key]bool{}
	}
	for _, k := range calls {
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
	for i, r := range t.engine.set.Rules {
		if r.Window != nil && r.Mode != Off && !tr.done[i] {
			return false
		}
	}
	for _, calls := range t.waiting {
		if slices.Contains(calls, k) {
			return false
		}
	}
	return true
}

// Only limits the explanations to one rule; false where there is none of the name.
func (t *Trace) Only(rule string) bool {
	t.only = rule
	return t.engine.set.Rule(rule) != nil
}

// Apply lets time pass to a point in stream time, as backtest does, and folds an
// event that came then.
func (t *Trace) Apply(at time.Time, e *call.Event) {
	t.advance(at)
	t.Transitions = append(t.Transitions, t.engine.Apply(t.engine.Seq()+1, at, e)...)
	t.met = t.met[:0] // this call is explained below
	t.settlePending()
	cs := t.engine.call(e.Key())
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
	for i, r := range t.engine.set.Rules {
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
		tr = &traced{rules: map[int]Explanation{}, done: map[int]bool{}}
		t.calls[k] = tr
		t.order = append(t.order, k)
	}
	return tr
}

// observe counts for the coverage what the rule of interest makes of a call that
// is not explained.
func (t *Trace) observe(cs *callState, e *call.Event) {
	if t.coverage == nil {
		return
	}
	r := t.engine.set.Rule(t.only)
	view := &cs.Call.Event
	if r.For.Need > 0 {
		view = cs.Call.With(e)
	}
	if r.Window == nil && r.wakes(e.Kind) || r.Window != nil && cs.Over {
		t.facts.Load(view)
		t.coverage.observe(r, &t.facts)
	}
}

// explain keeps the explanation of one rule up to date. An event that does not
// wake the rule says nothing new about it.
func (t *Trace) explain(i int, r *Rule, cs *callState, tr *traced, view *call.Event, kind call.Kind) {
	t.facts.Load(view)
	if t.coverage != nil && (r.Window == nil && r.wakes(kind) || r.Window != nil && cs.Over) {
		t.coverage.observe(r, &t.facts)
	}
	if _, have := tr.rules[i]; have && !r.wakes(kind) && cs.Outcomes[i] != matched {
		return
	}
	x := r.explain(&t.facts, kind)
	x.At, x.By = t.engine.st.Now, r.LabelsOf(view)
	if r.New != nil {
		t.novelty(i, r, cs, &x)
	}
	if x.Verdict == VerdictMatched {
		t.dispose(i, r, cs, &x)
	}
	tr.rules[i], tr.done[i] = x, cs.Outcomes[i] == matched
}

// dispose tells what became of a match: what held it back, or where it went.
func (t *Trace) dispose(i int, r *Rule, cs *callState, x *Explanation) {
	if r.Mode == Off {
		x.hold("mode", "the rule is off")
		return
	}
	if cs.Outcomes[i] != matched {
		if r.For.Duration > 0 && cs.Over {
			x.hold("for", "the call ended before the condition had held for "+shortDuration(r.For.Duration))
			return
		}
		x.hold("for", r.waiting(cs.Holds, i, t.engine.st.Now))
		return
	}
	t.announced(r, t.engine.st.Keys[ruleKey{r.Name, JoinLabels(x.By)}], x)
}

// announced tells which incident a match belongs to, or why there is none.
func (t *Trace) announced(r *Rule, k *keyState, x *Explanation) {
	now := t.engine.st.Now
	switch {
	case k != nil && k.Incident != nil:
		x.Incident, x.Slack = k.Incident.ID, k.Incident.Slack
		x.unannounced(k.Incident)
	case k != nil && now.Before(k.QuietTill):
		x.hold("cooldown", "an incident was resolved a short while ago: no new one before "+k.QuietTill.Format(time.RFC3339))
	case !r.Active.Covers(now):
		x.hold("active", "outside the hours in which incidents open")
	}
	if r.Mode == Shadow {
		x.hold("mode", "the rule is in shadow mode: recorded, nothing is sent")
	}
}

// unannounced tells why an incident says nothing of its own.
func (x *Explanation) unannounced(in *Incident) {
	if in.Silence != nil {
		x.hold("silence", fmt.Sprintf("silenced until %s where %s", in.Silence.Until.Format(time.RFC3339), in.Silence.Match))
	}
	if in.Parent != "" {
		x.hold("adopts", "told in the thread of incident "+in.Parent)
	}
}

// waiting says how far the rule's `for` has come on a call.
func (r *Rule) waiting(holds []callHold, rule int, now time.Time) string {
	var h callHold
	if i := slices.IndexFunc(holds, func(h callHold) bool { return h.Rule == rule }); i >= 0 {
		h = holds[i]
	}
	if r.For.Need == 0 {
		held := time.Duration(0)
		if !h.Since.IsZero() {
			held = now.Sub(h.Since)
		}
		return fmt.Sprintf("has held for %s, must hold for %s", shortDuration(held), shortDuration(r.For.Duration))
	}
	n := 0
	for _, b := range h.Recent {
		if b {
			n++
		}
	}
	return fmt.Sprintf("held in %d of the latest %d events, must hold in %d of %d", n, len(h.Recent), r.For.Need, r.For.Of)
}

// advance ticks at each deadline before a point in time.
func (t *Trace) advance(until time.Time) {
	for {
		due := t.engine.NextDeadline()
		if due.IsZero() || !due.Before(until) || t.stuck() {
			return
		}
		t.tick(later(due, t.engine.st.Now.Add(time.Second)))
	}
}

// Wait lets stream time pass, with a tick at each deadline on the way.
func (t *Trace) Wait(until time.Time) {
	t.advance(until)
	t.tick(later(until, t.engine.st.Now))
}

// stuck reports whether more deadlines have passed than the trace may take.
func (t *Trace) stuck() bool { return t.maxTicks > 0 && t.ticks > t.maxTicks }

func (t *Trace) tick(at time.Time) {
	t.ticks++
	t.Transitions = append(t.Transitions, t.engine.Tick(t.engine.Seq()+1, at)...)
	t.settlePending()
	t.observeWindows()
	for _, m := range t.met {
		tr, r := t.calls[m.call], t.engine.set.Rules[m.rule]
		if tr == nil || r.For.Duration == 0 || tr.done[m.rule] || t.only != "" && r.Name != t.only {
			continue
		}
		if cs := t.engine.call(m.call); cs != nil && cs.Outcomes[m.rule] == matched {
			t.explain(m.rule, r, cs, tr, &cs.Call.Event, r.On[0])
		}
	}
	t.met = t.met[:0]
}

// Calls tells of every call in the order in which they appeared.
func (t *Trace) Calls() []CallExplanation {
	out := make([]CallExplanation, 0, len(t.order))
	for _, key := range t.order {
		tr := t.calls[key]
		x := CallExplanation{Call: *tr.latest, Rules: []Explanation{}}
		for i, r := range t.engine.set.Rules {
			e, ok := tr.rules[i]
			if !ok {
				continue
			}
			if r.Window == nil || !tr.done[i] {
				t.ofKey(i, r, t.engine.call(key), &e)
			}
			x.Rules = append(x.Rules, e)
		}
		out = append(out, x)
	}
	return out
}
