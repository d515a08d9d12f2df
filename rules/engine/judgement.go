package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/window"
)

// judgement is what a window says at one time.
type judgement struct {
	truth    condition.Truth
	begun    bool           // the truth is unknown only because the window was not watched for all of its time yet
	open     bool           // the truth is unknown only because partial calls may be either
	clear    bool           // an incident may resolve
	reason   string         // why, where it is not the condition's
	severity rules.Severity // where it holds
	since    time.Time      // when the condition began to hold, where that is not when it was judged first
	lead     int            // place of the leading figure among the rule's leads
	value    float64        // of the leading figure, the end that decides; NaN where it is unknown
	measure  rules.Measure  // of the leading figure
	evidence func() rules.Evidence
	counts   rules.Counts // calls in the window
}

// over reports whether the condition of a rule is not true, as far as the window
// could be judged at all.
func (j *judgement) over() bool { return j.truth == condition.False || j.open }

// judgeWindow looks at the window of one key as it is now, and acts on it.
func (g *Engine) judgeWindow(i int, r *rules.Rule, k *KeyState) {
	w, s, now := r.Window, k.Window, g.st.Now
	if s == nil {
		g.signal(r, k.Key, signal{})
		return
	}
	s.Advance(&w.Spec, now)
	some := !s.Empty(&w.Spec)
	pending := k.pendsUntil(r)
	if k.Incident == nil && pending.Before(now) && forgets(w, some || g.empty[i] && now.Sub(k.Seen) < rules.MaxAbsent, now.Sub(k.Seen)) {
		k.Window, k.Seen, k.LookAt = nil, time.Time{}, time.Time{}
		k.ended()
		g.signal(r, k.Key, signal{})
		return
	}
	j := g.judgement(i, r, k)
	s.Follow(&w.Spec, g.measured.Bounds, now)
	k.LookAt = earlier(r.Active.Next(now), k.Seen.Add(rules.MaxAbsent))
	if w.Calls == 0 && some {
		k.LookAt = earlier(k.LookAt, s.Next(&w.Spec))
	}
	if w.Calls == 0 && !k.whole(w, now) {
		k.LookAt = earlier(k.LookAt, k.wholeFrom(w))
	}
	if !pending.Before(now) {
		k.LookAt = earlier(k.LookAt, pending.Add(time.Nanosecond))
	}
	if k.Incident == nil && j.truth != condition.True { // as nearly always
		if j.over() {
			k.ended()
		}
		g.leave(k)
		return
	}
	told := j // the judgement itself stays off the heap
	g.signal(r, k.Key, signal{window: &told})
}

// pendsUntil is until when a `for` that has begun goes on without a judgement; zero
// for none.
func (k *KeyState) pendsUntil(r *rules.Rule) time.Time {
	if k.PendingTill.IsZero() {
		return time.Time{}
	}
	return k.HeldAt.time().Add(r.For.Duration)
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

func (g *Engine) judgement(i int, r *rules.Rule, k *KeyState) judgement {
	w := r.Window
	j := judgement{truth: condition.Unknown, value: math.NaN()}
	g.measureWindow(w, k.Window)
	if !k.beforeWhole(w, g.st.Now) {
		g.forgetBefore(w)
	}
	calls, whole := g.measured.Calls(), k.whole(w, g.st.Now)
	switch {
	case calls == 0 && w.NoData == rules.NoDataResolve:
		j.clear, j.reason = true, "no call in "+w.String()
	case calls == 0 && w.NoData == rules.NoDataAlert && !whole:
	case calls == 0 && w.NoData == rules.NoDataAlert:
		j.truth, j.reason, j.severity = condition.True, "no call in "+w.String(), r.Severity
		j.evidence = func() rules.Evidence { return g.silence(r, k.Key, "calls", w.String()) }
	default:
		when := g.evalWindow(i, r, r.When)
		j.truth, j.open = when.Truth, g.partly(r.When, when)
		if j.truth == condition.True && !whole && !g.holdsWithMore(i, r) {
			j.truth, j.begun = condition.Unknown, true
		}
		if j.truth == condition.True {
			j.severity = g.windowSeverity(i, r)
		}
		j.clear = j.over()
		if w.Resolve != nil {
			resolve := g.evalWindow(i, r, w.Resolve)
			j.clear = resolve.Truth == condition.True || g.partly(w.Resolve, resolve)
		}
	}
	g.follow(i, w, k, &j)
	if j.evidence == nil && (j.truth == condition.True || k.Incident != nil) {
		severity := j.severity
		j.evidence = func() rules.Evidence { return g.windowEvidence(r, k.Key, severity) }
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
// may be either: every figure that the program asks for is known within bounds.
func (g *Engine) partly(p *condition.Program, res condition.Result) bool {
	if res.Truth != condition.Unknown || res.Err != nil {
		return false
	}
	for _, slot := range p.Figures() {
		if !g.measured.Bounds[slot].Known() {
			return false
		}
	}
	return true
}

// follow chooses the leading figure: that of an open incident stays, a new one is
// described by the first that makes the condition hold.
func (g *Engine) follow(i int, w *rules.Window, k *KeyState, j *judgement) {
	if len(w.Leads) == 0 {
		j.counts = rules.Counts{Matched: g.measured.Calls(), Judged: g.measured.Calls()}
		return
	}
	if k.Incident != nil {
		j.lead = min(k.Lead, len(w.Leads)-1)
	} else if j.truth == condition.True {
		j.lead = max(0, slices.IndexFunc(w.Leads, func(l window.Lead) bool { return l.Lead.Holds(&g.windows) }))
	}
	l := &w.Leads[j.lead]
	j.measure = g.measured.Measures[l.Figure]
	if j.measure.Calls > 0 || g.empty[i] || j.truth == condition.True {
		j.value = l.Direction.End(j.measure.Bounds())
	}
	j.counts = countsOf(g.measured.Tally(&w.Spec, l))
}

func (g *Engine) evalWindow(i int, r *rules.Rule, p *condition.Program) condition.Result {
	res := p.Eval(&g.windows)
	if res.Err != nil {
		g.st.Rules[i].fail(failure(r, res.Err))
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

// told is the reason of a transition: the conditions that held, and over what.
func (j *judgement) told(r *rules.Rule, e *rules.Evidence) string {
	if j.reason != "" {
		return j.reason
	}
	text := strings.Join(rules.HeldTexts(e.Conditions), ", ")
	if r.Window != nil {
		text += " over " + r.Window.String()
	}
	return text
}
