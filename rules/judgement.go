package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"callwatch/rules/condition"
)

// judgement is what a window says at one time.
type judgement struct {
	truth    condition.Truth
	clear    bool     // the condition to resolve holds
	reason   string   // why, where it is not the condition's
	severity Severity // where it holds
	value    float64  // of the leading figure; NaN where it is unknown
	evidence func() Evidence
	counts   Counts // calls in the window
}

// judgeWindow looks at the window of one key as it is now, and acts on it.
func (g *Engine) judgeWindow(i int, r *Rule, k *keyState) {
	w, s, now := r.Window, k.Window, g.st.Now
	if s == nil {
		g.signal(r, k.Key, signal{})
		return
	}
	if w.Calls == 0 {
		s.Buckets.advance(&w.shape, w.shape.at(now))
	}
	some := !s.Buckets.empty(&w.shape)
	pending := k.pendsUntil(r)
	if k.Incident == nil && pending.Before(now) && w.forgets(some, now.Sub(k.Seen)) {
		k.Window, k.Seen, k.LookAt, k.PendingTill = nil, time.Time{}, time.Time{}, time.Time{}
		g.signal(r, k.Key, signal{})
		return
	}
	j := g.judgement(i, r, k)
	s.follow(w, j.value, now)
	k.LookAt = earlier(r.Active.Next(now), k.Seen.Add(seenFor))
	if w.Calls == 0 && some {
		k.LookAt = earlier(k.LookAt, w.shape.end(s.Buckets.Head))
	}
	if !pending.Before(now) {
		k.LookAt = earlier(k.LookAt, pending.Add(time.Nanosecond))
	}
	if k.Incident == nil && j.truth != condition.True { // as nearly always
		if j.truth == condition.False {
			k.PendingTill = time.Time{}
		}
		g.leave(k)
		return
	}
	told := j // the judgement itself stays off the heap
	g.signal(r, k.Key, signal{window: &told})
}

// pendsUntil is until when a `for` that has begun goes on without a judgement; zero
// for none.
func (k *keyState) pendsUntil(r *Rule) time.Time {
	if k.PendingTill.IsZero() {
		return time.Time{}
	}
	return k.HeldAt.Add(r.For.Duration)
}

// forgets says whether a window is of no more use, so long after its latest call.
func (w *Window) forgets(some bool, unseen time.Duration) bool {
	switch {
	case w.Calls == 0 && some:
		return false
	case w.Calls == 0 && w.NoData != NoDataAlert:
		return true
	default:
		return unseen >= seenFor
	}
}

// earlier is the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (g *Engine) judgement(i int, r *Rule, k *keyState) judgement {
	w, b := r.Window, k.Window.Buckets
	j := judgement{truth: condition.Unknown, value: math.NaN()}
	g.totals.addUp(&w.shape, b)
	calls := g.totals.now[0]
	g.values = g.values[:0]
	for at := range w.Figures.All {
		f := &w.Figures.All[at]
		v := math.NaN()
		if !f.Prev || g.totals.before[0] >= w.MinCalls {
			v = b.figure(&w.shape, f, &g.totals, &g.merged)
		}
		g.values = append(g.values, v)
	}
	g.windows.LoadFigures(g.values)
	if len(g.values) > 0 && calls > 0 {
		j.value = g.values[w.lead.figure]
	}
	j.counts = g.totals.blamed(w)
	switch {
	case calls == 0 && w.NoData == NoDataResolve:
		j.clear, j.reason = true, "no call in "+w.String()
	case calls == 0 && w.NoData == NoDataAlert:
		j.truth, j.reason, j.severity = condition.True, "no call in "+w.String(), r.Severity
		j.evidence = func() Evidence { return g.silence(r, k.Key, "calls", w.String()) }
	case calls < w.MinCalls:
	default:
		j.truth = g.evalWindow(i, r, r.When)
		if j.truth == condition.True {
			j.severity = g.windowSeverity(i, r)
		}
		j.clear = j.truth == condition.False
		if w.Resolve != nil {
			j.clear = g.evalWindow(i, r, w.Resolve) == condition.True
		}
	}
	if j.evidence == nil && (j.truth == condition.True || k.Incident != nil) {
		severity := j.severity
		j.evidence = func() Evidence { return g.windowEvidence(r, k.Key, severity) }
	}
	return j
}

func (g *Engine) evalWindow(i int, r *Rule, p *condition.Program) condition.Truth {
	res := p.Eval(&g.windows)
	if res.Err != nil {
		g.st.Rules[i].fail(r.failure(res.Err))
	}
	return res.Truth
}

func (g *Engine) windowSeverity(i int, r *Rule) Severity {
	for _, l := range r.Ladder {
		if g.evalWindow(i, r, l.When) == condition.True {
			return l.Severity
		}
	}
	return r.Severity
}

// blamed are the calls in the window by what the leading figure makes of them.
func (t *totals) blamed(w *Window) Counts {
	calls := t.now[0]
	if w.lead.arg < 0 {
		return Counts{Matched: calls, Judged: calls}
	}
	a := &w.shape.args[w.lead.arg]
	c := Counts{Judged: t.now[a.known]}
	c.Matched, c.Unjudged = c.Judged, calls-c.Judged
	if a.met >= 0 {
		c.Matched = t.now[a.met]
	}
	return c
}

// windowEvidence tells of the window that is loaded: its figures as conditions.
func (g *Engine) windowEvidence(r *Rule, key string, severity Severity) Evidence {
	ev := Evidence{At: g.st.Now, Severity: severity, Call: r.callOfKey(key), Margin: r.When.Margin(&g.windows)}
	programs := []*condition.Program{r.When}
	for _, l := range r.Ladder {
		if l.Severity == severity {
			programs = append(programs, l.When)
		}
	}
	for _, p := range programs {
		for _, leaf := range p.Explain(&g.windows) {
			if !slices.ContainsFunc(ev.Conditions, func(o Condition) bool { return o.Expr == leaf.Expr }) {
				ev.Conditions = append(ev.Conditions, leaf)
			}
		}
	}
	return ev
}

// silence is the evidence that nothing was there.
func (g *Engine) silence(r *Rule, key, what, span string) Evidence {
	return Evidence{At: g.st.Now, Severity: r.Severity, Call: r.callOfKey(key), Conditions: []Condition{{
		Expr: what + " == 0", Text: fmt.Sprintf("no call for %s", span), Truth: condition.True,
	}}}
}

// told is the reason of a transition: the conditions that held, and over what.
func (j *judgement) told(r *Rule, e *Evidence) string {
	if j.reason != "" {
		return j.reason
	}
	text := strings.Join(telling(e.Conditions), ", ")
	if r.Window != nil {
		text += " over " + r.Window.String()
	}
	return text
}
