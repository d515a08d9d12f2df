package rules

import (
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// lead is a figure that incidents of a rule are described by, and how the calls
// that are its evidence are found.
type lead struct {
	condition.Lead
	arg    int                // -1: every call counts the same
	cond   bool               // arg is a condition, otherwise a value
	holds  *condition.Program // of conditions: holds of calls that are evidence
	beyond int                // in the counts of a bucket: calls whose value is beyond the limit; -1: not counted
	single bool               // the figure has the magnitude of a single call, so that its limit says something of one
}

// maxLeads bounds the leads of a rule.
const maxLeads = 8

func leadsOf(w *Window, when *condition.Program) []lead {
	var leads []lead
	for _, found := range when.Leads() {
		f := &w.Figures.All[found.Figure]
		l := lead{Lead: found, arg: f.Arg, beyond: -1}
		if f.Arg >= 0 {
			l.cond, l.holds = w.Figures.Args[f.Arg].Cond, w.Figures.Args[f.Arg].Program()
		}
		if l.holds != nil && l.Direction == condition.Down {
			l.holds = l.holds.Not()
		}
		switch f.Func {
		case "distinct":
			l.arg = -1
		case "count", "rate", "sum":
		default:
			l.single = f.Arg >= 0
		}
		if leads = append(leads, l); len(leads) == maxLeads {
			break
		}
	}
	return leads
}

// limits reports whether single calls are beyond the limit of the figure or not.
func (l *lead) limits() bool {
	return l.single && l.Limited && l.Direction != condition.Undecided
}

// blames reports whether single calls differ in how much they are evidence.
func (l *lead) blames() bool {
	return l.arg >= 0 && (l.cond || l.Direction != condition.Undecided)
}

// lead is one of the rule's leads; nil where it has none.
func (w *Window) lead(i int) *lead {
	if len(w.leads) == 0 {
		return nil
	}
	return &w.leads[min(i, len(w.leads)-1)]
}

// worse reports whether one value of the figure is further on the side that fires.
func (l *lead) worse(a, b float64) bool {
	if l.Direction == condition.Down {
		return a < b
	}
	return a > b
}

// part is what a lead makes of one call.
type part struct {
	measured bool // something of what the figure asks is known
	judged   bool // all that matters is
	met      bool // the call is evidence for what the figure says
}

// part of the call that was read.
func (l *lead) part(readings []reading) part {
	if l.arg < 0 {
		return part{true, true, true}
	}
	r := &readings[l.arg]
	switch {
	case !l.cond:
		return part{r.known, r.known, r.known && (!l.limits() || l.Limit.Holds(r.number))}
	case !r.known:
		return part{measured: r.class == condition.Partial}
	case l.Direction == condition.Undecided:
		return part{true, true, true}
	default:
		return part{true, true, (r.class == condition.Matching) == (l.Direction == condition.Up)}
	}
}

// counts are the calls of a window by what the lead makes of them.
func (l *lead) counts(w *Window, sums []int) Counts {
	calls := sums[0]
	if l.arg < 0 {
		return Counts{Matched: calls, Judged: calls}
	}
	a := &w.shape.args[l.arg]
	c := Counts{Judged: sums[a.known], Unjudged: calls - sums[a.known]}
	c.Matched = c.Judged
	switch {
	case l.cond:
		c.Partial = sums[a.partial]
		if l.Direction == condition.Up {
			c.Matched = sums[a.met]
		} else if l.Direction == condition.Down {
			c.Matched = sums[a.known] - sums[a.met]
		}
	case l.beyond >= 0:
		c.Matched = sums[l.beyond]
	}
	return c
}

// rank orders calls that are evidence: the worst has the largest.
func (l *lead) rank(r *reading, facts *condition.Facts) float64 {
	if l.cond {
		return min(l.holds.Margin(facts), math.MaxFloat64)
	}
	return float64(l.Direction) * r.number
}

// blame is one call as evidence for what a lead says of all.
func (r *Rule) blame(l *lead, e *call.Event, facts *condition.Facts, at time.Time) Evidence {
	ev := Evidence{At: at, Call: e.Clone()}
	ev.Call.Raw, ev.Call.Intervals, ev.Call.Counters = nil, nil, nil
	if l == nil || l.arg < 0 {
		return ev
	}
	if p := l.holds; p != nil {
		ev.Conditions, ev.Margin = p.Explain(facts), min(p.Margin(facts), math.MaxFloat64)
		return ev
	}
	arg := r.Window.Figures.Args[l.arg]
	v, known, _ := arg.Number(facts)
	if !known {
		return ev
	}
	c := Condition{Expr: arg.Text, Text: arg.Text + " (" + shortNumber(v) + ")", Truth: condition.True, Value: &v}
	if l.limits() {
		limit := " " + l.Limit.Op + " " + shortNumber(l.Limit.Number)
		c.Expr, c.Text = c.Expr+limit, c.Text+limit
		if !l.Limit.Holds(v) {
			c.Truth = condition.False
		}
	}
	ev.Margin = float64(l.Direction) * v
	ev.Conditions = []Condition{c}
	return ev
}

// leadState is what a key remembers of one lead.
type leadState struct {
	Latest []call.Key `json:"latest,omitempty"` // calls that are evidence, the latest last
	Worst  []blamed   `json:"worst,omitempty"`  // those with the largest rank
	Trend  []figureAt `json:"trend,omitempty"`  // of the figure
}

// blamed is a call that is evidence.
type blamed struct {
	Key  call.Key `json:"key"`
	Rank float64  `json:"rank"`
	At   int64    `json:"at"` // number of the bucket, or of the call
}

const blamedCalls = 8

// blame remembers a call that is evidence: as one of the latest, and as one of the
// worst that are in the window and kept.
func (s *leadState) blame(l *lead, b blamed, stays func(blamed) bool) {
	if l.cond {
		s.Latest = pushBounded(s.Latest, b.Key, blamedCalls)
	}
	if len(s.Worst) == blamedCalls {
		s.Worst = slices.DeleteFunc(s.Worst, func(o blamed) bool { return !stays(o) })
	}
	if len(s.Worst) < blamedCalls {
		if s.Worst == nil {
			s.Worst = make([]blamed, 0, blamedCalls)
		}
		s.Worst = append(s.Worst, b)
		return
	}
	least := 0
	for i, o := range s.Worst {
		if o.Rank < s.Worst[least].Rank {
			least = i
		}
	}
	if b.Rank >= s.Worst[least].Rank {
		s.Worst = append(slices.Delete(s.Worst, least, least+1), b)
	}
}
