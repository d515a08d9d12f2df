package window

import (
	"math"
	"slices"

	"callwatch/call"
	"callwatch/rules/condition"
)

// Lead is a figure that incidents of a rule are described by, and how the calls
// that are its evidence are found.
type Lead struct {
	condition.Lead
	Arg   int                // place in Figures.Args; -1: every call counts the same
	Holds *condition.Program // of conditions: holds of calls that are evidence; nil of values

	cond   bool // the argument is a condition, otherwise a value
	beyond int  // in the counts of a bucket: calls whose value is beyond the limit; -1: not counted
	single bool // the figure has the magnitude of a single call, so that its limit says something of one
}

// maxLeads bounds the leads of a rule.
const maxLeads = 8

func leadsOf(w *Spec, when *condition.Program) []Lead {
	var leads []Lead
	for _, found := range when.Leads() {
		f := &w.Figures.All[found.Figure]
		l := Lead{Lead: found, Arg: f.Arg, beyond: -1}
		if f.Arg >= 0 {
			l.cond, l.Holds = w.Figures.Args[f.Arg].Cond, w.Figures.Args[f.Arg].Program()
		}
		if l.Holds != nil && l.Direction == condition.Down {
			l.Holds = l.Holds.Not()
		}
		switch f.Func {
		case "distinct":
			l.Arg = -1
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

// Limits reports whether single calls are beyond the limit of the figure or not.
func (l *Lead) Limits() bool {
	return l.single && l.Limited && l.Direction != condition.Undecided
}

// ranks reports whether single calls differ in how much they are evidence.
func (l *Lead) ranks() bool {
	return l.Arg >= 0 && (l.cond || l.Direction != condition.Undecided)
}

// anyCall reports whether any call is evidence for a figure without an argument. It is
// not where there are too few.
func (l *Lead) anyCall() bool { return l.Direction != condition.Down }

// Worse reports whether one value of the figure is further on the side that fires.
func (l *Lead) Worse(a, b float64) bool {
	if l.Direction == condition.Down {
		return a < b
	}
	return a > b
}

// Contribution is what a lead makes of one call.
type Contribution struct {
	Measured bool // something of what the figure asks is known
	Judged   bool // all that matters is
	Met      bool // the call is evidence for what the figure says
}

// Contribution of the call that was read.
func (l *Lead) Contribution(readings []Reading) Contribution {
	if l.Arg < 0 {
		return Contribution{true, true, l.anyCall()}
	}
	r := &readings[l.Arg]
	switch {
	case !l.cond:
		return Contribution{r.known, r.known, r.known && (!l.Limits() || l.Limit.Holds(r.number))}
	case !r.known:
		return Contribution{Measured: r.class == condition.Partial}
	case l.Direction == condition.Undecided:
		return Contribution{true, true, true}
	default:
		return Contribution{true, true, (r.class == condition.Matching) == (l.Direction == condition.Up)}
	}
}

// Tally are the calls of a window by what a lead makes of them.
type Tally struct {
	Calls   int // in the window
	Judged  int // of those: all that the figure asks is known
	Partial int // of the others: a part of it is known
	Met     int // of the judged: evidence for what the figure says
}

// tally counts the calls of a window that was added up.
func (l *Lead) tally(w *Spec, sums []int) Tally {
	calls := sums[0]
	if l.Arg < 0 {
		t := Tally{Calls: calls, Judged: calls}
		if l.anyCall() {
			t.Met = calls
		}
		return t
	}
	a := &w.shape.args[l.Arg]
	c := Tally{Calls: calls, Judged: sums[a.known], Met: sums[a.known]}
	switch {
	case l.cond:
		c.Partial = sums[a.partial]
		if l.Direction == condition.Up {
			c.Met = sums[a.met]
		} else if l.Direction == condition.Down {
			c.Met = sums[a.known] - sums[a.met]
		}
	case l.beyond >= 0:
		c.Met = sums[l.beyond]
	}
	return c
}

// rank orders calls that are evidence: the worst has the largest.
func (l *Lead) rank(r *Reading, facts *condition.Facts) float64 {
	if l.cond {
		return min(l.Holds.Margin(facts), math.MaxFloat64)
	}
	return float64(l.Direction) * r.number
}

// leadState is what a key remembers of one lead.
type leadState struct {
	Latest []call.Key `json:"latest,omitempty"` // calls that are evidence, the latest last
	Worst  []blamed   `json:"worst,omitempty"`  // those with the largest rank
	Trend  []Point    `json:"trend,omitempty"`  // of the figure
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
func (s *leadState) blame(l *Lead, b blamed, stays func(blamed) bool) {
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
