package engine

import (
	"fmt"
	"math"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/window"
)

// judgeWindow looks at the window of one key as it is now, and acts on it.
func (g *Engine) judgeWindow(i int, r *rules.Rule, k *lifecycle.KeyState) {
	w, s, now := r.Window, k.Window, g.st.Now
	if s == nil {
		g.signal(r, k.Key, lifecycle.Signal{})
		return
	}
	s.Advance(&w.Spec, now)
	some := !s.Empty(&w.Spec)
	pending := k.PendsUntil(r)
	if k.Incident == nil && pending.Before(now) && forgets(w, some || g.empty[i] && now.Sub(k.Seen) < rules.MaxAbsent, now.Sub(k.Seen)) {
		k.Window, k.Seen, k.LookAt = nil, time.Time{}, time.Time{}
		k.EndHolding()
		g.signal(r, k.Key, lifecycle.Signal{})
		return
	}
	j := g.judgement(i, r, k)
	s.Follow(&w.Spec, g.measured.Bounds, now)
	k.LookAt = earlier(r.Active.Next(now), k.Seen.Add(rules.MaxAbsent))
	if w.Calls == 0 && some {
		k.LookAt = earlier(k.LookAt, s.Next(&w.Spec))
	}
	if w.Calls == 0 && !k.Whole(w, now) {
		k.LookAt = earlier(k.LookAt, k.WholeFrom(w))
	}
	if !pending.Before(now) {
		k.LookAt = earlier(k.LookAt, pending.Add(time.Nanosecond))
	}
	if k.Incident == nil && j.Truth != condition.True { // as nearly always
		if j.Over() {
			k.EndHolding()
		}
		g.leave(k)
		return
	}
	told := j // the judgement itself stays off the heap
	g.signal(r, k.Key, lifecycle.Signal{Window: &told})
}

// forgets says whether a window is of no more use, so long after its latest call.
func forgets(w *rules.Window, some bool, unseen time.Duration) bool {
	switch {
	case w.Calls == 0 && some:
		return false
	case w.Calls == 0 && w.NoData != rules.NoDataAlert:
		return true
	default:
		return unseen >= rules.MaxAbsent
	}
}

// earlier is the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (g *Engine) judgement(i int, r *rules.Rule, k *lifecycle.KeyState) lifecycle.Judgement {
	w := r.Window
	j := lifecycle.Judgement{Truth: condition.Unknown, Value: math.NaN()}
	g.measureWindow(w, k.Window)
	if !k.BeforeWhole(w, g.st.Now) {
		g.forgetBefore(w)
	}
	calls, whole := g.measured.Calls(), k.Whole(w, g.st.Now)
	switch {
	case calls == 0 && w.NoData == rules.NoDataResolve:
		j.Clear, j.Reason = true, "no call in "+w.String()
	case calls == 0 && w.NoData == rules.NoDataAlert && !whole:
	case calls == 0 && w.NoData == rules.NoDataAlert:
		j.Truth, j.Reason, j.Severity = condition.True, "no call in "+w.String(), r.Severity
		j.Evidence = func() rules.Evidence { return g.silence(r, k.Key, "calls", w.String()) }
	default:
		when := g.evalWindow(i, r, r.When)
		j.Truth, j.Open = when.Truth, g.partly(r.When, when)
		if j.Truth == condition.True && !whole && !g.holdsWithMore(i, r) {
			j.Truth, j.Begun = condition.Unknown, true
		}
		if j.Truth == condition.True {
			j.Severity = g.windowSeverity(i, r)
		}
		j.Clear = j.Over()
		if w.Resolve != nil {
			resolve := g.evalWindow(i, r, w.Resolve)
			j.Clear = resolve.Truth == condition.True || g.partly(w.Resolve, resolve)
		}
	}
	g.follow(i, w, k, &j)
	if j.Evidence == nil && j.Truth == condition.True {
		severity := j.Severity
		j.Evidence = func() rules.Evidence { return g.windowEvidence(r, k.Key, severity) }
	}
	return j
}

// measureWindow works out the figures of a window and loads them.
func (g *Engine) measureWindow(w *rules.Window, s *window.State) {
	g.measured.Evaluate(&w.Spec, s)
	g.windows.LoadFigures(g.measured.Bounds)
}

// forgetBefore makes the figures of the window before unknown.
func (g *Engine) forgetBefore(w *rules.Window) {
	for at, f := range w.Figures.All {
		if f.Prev && f.Ago == 0 {
			m := &g.measured.Measures[at]
			m.Low, m.High = math.NaN(), math.NaN()
			g.measured.Bounds[at] = m.Bounds()
		}
	}
}

// short is the figure that has the fewest measured calls, where that is fewer than
// the rule wants.
func (g *Engine) short(w *rules.Window) (f rules.Values, ok bool) {
	for i, m := range g.measured.Measures {
		if m.Measured < w.MinCalls && (!ok || m.Measured < f.Measured) {
			f, ok = rules.Values{Name: w.Figures.All[i].Name, Measure: m}, true
		}
	}
	return f, ok
}

// partly reports whether an outcome is unknown only because calls that are partial
// may be either: every figure that the program asks for is known within bounds, and each
// ratio has as much below its line as it needs.
func (g *Engine) partly(p *condition.Program, res condition.Result) bool {
	if res.Truth != condition.Unknown || res.Err != nil {
		return false
	}
	for _, slot := range p.Figures() {
		if !g.measured.Bounds[slot].Known() {
			return false
		}
	}
	_, short := p.Short(&g.windows)
	return !short
}

// follow chooses the leading figure: that of an open incident stays, a new one is
// described by the first that makes the condition hold.
func (g *Engine) follow(i int, w *rules.Window, k *lifecycle.KeyState, j *lifecycle.Judgement) {
	if len(w.Leads) == 0 {
		j.Counts = rules.Counts{Matched: g.measured.Calls(), Judged: g.measured.Calls()}
		return
	}
	if k.Incident != nil {
		j.Lead = min(k.Lead, len(w.Leads)-1)
	} else if j.Truth == condition.True {
		j.Lead = max(0, slices.IndexFunc(w.Leads, func(l window.Lead) bool { return l.Lead.Holds(&g.windows) }))
	}
	l := &w.Leads[j.Lead]
	j.Measure = g.measured.Measures[l.Figure]
	if j.Measure.Calls > 0 || g.empty[i] || j.Truth == condition.True {
		j.Value = l.Direction.End(j.Measure.Bounds())
	}
	j.Counts = countsOf(g.measured.Tally(&w.Spec, l))
}

func (g *Engine) evalWindow(i int, r *rules.Rule, p *condition.Program) condition.Result {
	res := p.Eval(&g.windows)
	if res.Err != nil {
		g.st.Rules[i].Fail(failure(r, res.Err))
	}
	return res
}

func (g *Engine) windowSeverity(i int, r *rules.Rule) rules.Severity {
	for _, l := range r.Ladder {
		if g.evalWindow(i, r, l.When).Truth == condition.True {
			return l.Severity
		}
	}
	return r.Severity
}

// windowEvidence describes the window that is loaded: its figures as conditions.
func (g *Engine) windowEvidence(r *rules.Rule, key string, severity rules.Severity) rules.Evidence {
	ev := rules.Evidence{At: g.st.Now, Severity: severity, Call: r.CallOfKey(key), Margin: r.When.Margin(&g.windows)}
	programs := []*condition.Program{r.When}
	for _, l := range r.Ladder {
		if l.Severity == severity {
			programs = append(programs, l.When)
		}
	}
	for _, p := range programs {
		for _, leaf := range p.Explain(&g.windows) {
			if !slices.ContainsFunc(ev.Conditions, func(o rules.Condition) bool { return o.Expr == leaf.Expr }) {
				ev.Conditions = append(ev.Conditions, leaf)
			}
		}
	}
	return ev
}

// silence is the evidence that nothing was there.
func (g *Engine) silence(r *rules.Rule, key, what, span string) rules.Evidence {
	return rules.Evidence{At: g.st.Now, Severity: r.Severity, Call: r.CallOfKey(key), Conditions: []rules.Condition{{
		Expr: what + " == 0", Text: fmt.Sprintf("no call for %s", span), Truth: condition.True,
	}}}
}
