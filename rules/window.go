package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// windowState is what one key of a window rule remembers.
type windowState struct {
	Buckets *buckets   `json:"buckets"`
	Recent  []call.Key `json:"recent,omitempty"`  // latest calls counted
	Bad     []call.Key `json:"bad,omitempty"`     // latest calls that are to blame
	Trend   []Point    `json:"trend,omitempty"`   // of the leading figure
	TrendAt int64      `json:"trendAt,omitempty"` // newest bucket at its last point
}

const (
	recentCalls = 12
	badCalls    = 8
	trendPoints = 20
	trendSteps  = 3 // buckets between two points
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

// count takes a settled call into the windows of rules that have not counted it.
func (g *Engine) count(rules []int, cs *callState) {
	loaded := false
	for _, i := range rules {
		if cs.Outcomes[i] != unseen {
			continue
		}
		if !loaded {
			g.seen = &cs.Call.Event
			g.facts.Load(g.seen)
			loaded = true
		}
		cs.Outcomes[i] = counted
		g.countIn(i, g.set.Rules[i], cs)
	}
}

func (g *Engine) countIn(i int, r *Rule, cs *callState) {
	health := g.st.Rules[i]
	switch concerned, unknown := g.concerns(i, r); {
	case unknown:
		health.Counts.Unjudged++
		return
	case !concerned:
		return
	}
	at := happened(g.seen, cs.Ended)
	if r.Window.Calls == 0 && cs.Ended.Sub(at) > r.Window.Grace {
		health.Late++
		return
	}
	k := g.keyOfCall(i, g.seen)
	if k == nil {
		return
	}
	readings, err := r.Window.read(&g.facts, g.readings[:0])
	g.readings = readings
	if err != nil {
		health.fail(r.failure(err))
	}
	k.Seen = g.st.Now
	k.Window = k.Window.add(r.Window, at, g.st.Now, readings)
	known, met := r.Window.blames(readings)
	k.Window.remember(cs.Call.Key(), met)
	health.Counts.add(known, met)
	if met {
		health.matchAt(g.st.Now)
	}
	if k.Incident != nil {
		k.addToIncident(g, r, known, met)
	}
	g.judgeWindow(i, r, k)
}

// concerns says whether `where` and `except` let the loaded call count.
func (g *Engine) concerns(i int, r *Rule) (concerned, unknown bool) {
	if r.Where != nil {
		switch g.eval(i, r, r.Where) {
		case condition.False:
			return false, false
		case condition.Unknown:
			return false, true
		}
	}
	for _, x := range r.Except {
		if g.eval(i, r, x.When) == condition.True {
			return false, false
		}
	}
	return true, false
}

func (c *Counts) add(known, met bool) {
	switch {
	case !known:
		c.Unjudged++
	case met:
		c.Matched++
		c.Judged++
	default:
		c.Judged++
	}
}

// blames says whether the leading figure's argument is known of the call read,
// and whether the call is one of those that the rule is about.
func (w *Window) blames(readings []reading) (known, met bool) {
	if w.lead.arg < 0 {
		return true, true
	}
	r := readings[w.lead.arg]
	return r.known, r.met || r.known && !w.lead.cond && !w.lead.bound
}

// add counts a call that was over at a time. One that settles when the window
// has left that time behind counts when it settles.
func (s *windowState) add(w *Window, at, now time.Time, readings []reading) *windowState {
	shape := &w.shape
	if w.Calls > 0 {
		if s == nil {
			s = &windowState{Buckets: newBuckets(shape, 0)}
		}
		s.Buckets.advance(shape, s.Buckets.Total/int64(shape.calls))
		s.Buckets.Total++
		s.Buckets.add(shape, s.Buckets.Head, readings)
		return s
	}
	head := shape.at(now)
	if s == nil {
		s = &windowState{Buckets: newBuckets(shape, head)}
	}
	s.Buckets.advance(shape, head)
	number := min(shape.at(at), head)
	if number <= head-int64(shape.steps) {
		number = head
	}
	s.Buckets.add(shape, number, readings)
	return s
}

func (s *windowState) remember(k call.Key, bad bool) {
	s.Recent = pushBounded(s.Recent, k, recentCalls)
	if bad {
		s.Bad = pushBounded(s.Bad, k, badCalls)
	}
}

func pushBounded[T any](list []T, v T, most int) []T {
	if len(list) < most {
		if list == nil {
			list = make([]T, 0, most)
		}
		return append(list, v)
	}
	copy(list, list[1:])
	list[len(list)-1] = v
	return list
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
	if k.Incident == nil && !now.Before(k.Seen.Add(seenFor)) || k.Incident == nil && !some && w.NoData != NoDataAlert {
		k.Window, k.Seen, k.LookAt, k.PendingTill = nil, time.Time{}, time.Time{}, time.Time{}
		g.signal(r, k.Key, signal{})
		return
	}
	j := g.judgement(i, r, k)
	s.follow(j.value, now)
	k.LookAt = earlier(r.Active.Next(now), k.Seen.Add(seenFor))
	if w.Calls == 0 && some {
		k.LookAt = earlier(k.LookAt, w.shape.end(s.Buckets.Head))
	}
	g.signal(r, k.Key, signal{window: &j})
}

// earlier is the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// follow adds a point to the trend, one for every third bucket.
func (s *windowState) follow(value float64, now time.Time) {
	if math.IsNaN(value) {
		return
	}
	if len(s.Trend) > 0 && s.Buckets.Head-s.TrendAt < trendSteps {
		return
	}
	s.TrendAt = s.Buckets.Head
	s.Trend = pushBounded(s.Trend, Point{At: now, Value: value}, trendPoints)
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
