package window

import (
	"math"
	"strconv"

	"callwatch/rules/condition"
)

// Evaluation works out the figures of one window after another in the same memory.
// The zero Evaluation is ready for use.
type Evaluation struct {
	Measures []Measure          // of the window evaluated last, in the order of Spec.Figures
	Bounds   []condition.Bounds // of the same

	totals totals
	merged merged
}

// Evaluate works out the figures of a window as it is now.
func (e *Evaluation) Evaluate(w *Spec, s *State) {
	e.totals.addUp(&w.shape, s.Buckets)
	e.Measures, e.Bounds = e.Measures[:0], e.Bounds[:0]
	for at := range w.Figures.All {
		f, m := &w.Figures.All[at], Measure{}
		if f.Ago > 0 {
			m = s.Past.measure(w, s.Buckets.Head, f)
		} else {
			m = s.Buckets.measure(w, f, &e.totals, &e.merged, w.MinCalls)
		}
		m.Sessions = w.Sessions
		e.Measures = append(e.Measures, m)
		e.Bounds = append(e.Bounds, m.Bounds())
	}
}

// Calls are those in the window.
func (e *Evaluation) Calls() int { return e.totals.now[0] }

// Tally counts the calls of the window by what a lead makes of them.
func (e *Evaluation) Tally(w *Spec, l *Lead) Tally { return l.tally(w, e.totals.now) }

// totals are the counts of a window, and of the one before where it is asked
// for, added up.
type totals struct{ now, before []int }

func (t *totals) of(f *condition.Figure) []int {
	if f.Prev {
		return t.before
	}
	return t.now
}

// addUp takes the place of what was added up before.
func (t *totals) addUp(s *shape, b *buckets) {
	t.now = b.addUp(s, t.now, false)
	if t.before = t.before[:0]; s.ring > s.steps {
		t.before = b.addUp(s, t.before, true)
	}
}

func (b *buckets) addUp(s *shape, sums []int, prev bool) []int {
	sums = append(sums[:0], make([]int, s.counts)...)
	for p := range s.places(b.Head, prev) {
		for i, n := range b.Counts[p*s.counts : (p+1)*s.counts] {
			sums[i] += int(n)
		}
	}
	return sums
}

// measure is what is known of one figure of a window, and of how many calls. It is
// unknown of fewer measured calls than minCalls, of calls of which nothing is
// known, and of no call where that has no answer.
func (b *buckets) measure(w *Spec, f *condition.Figure, t *totals, m *merged, minCalls int) Measure {
	s, counts := &w.shape, t.of(f)
	out := Measure{Calls: counts[0], Measured: counts[0]}
	if f.Arg >= 0 {
		a := &s.args[f.Arg]
		out.Measured = counts[a.known]
		if a.partial >= 0 {
			out.Matching, out.Partial = counts[a.met], counts[a.partial]
			out.Measured += out.Partial
		}
		out.Blind = out.Calls - out.Measured
	}
	figure := condition.Exact(math.NaN())
	switch {
	case out.Measured < minCalls:
	case out.Measured > 0:
		figure = b.figure(s, f, &out, m)
	case out.Calls == 0 && (f.Arg < 0 || f.Func == "count" || f.Func == "sum" || f.Func == "distinct"):
		figure = condition.Exact(0)
	}
	out.Low, out.High = figure.Low, figure.High
	return out
}

// figure is one figure of a window with measured calls. A call that is partial may
// be one that matches or not.
func (b *buckets) figure(s *shape, f *condition.Figure, of *Measure, m *merged) condition.Bounds {
	switch f.Func {
	case "calls":
		return condition.Exact(float64(of.Calls))
	case "count", "rate":
		return shareOf(f.Func, of)
	default:
		return condition.Exact(b.known(s, f, of.Measured, m))
	}
}

// known is a figure over the values that are known.
func (b *buckets) known(s *shape, f *condition.Figure, known int, m *merged) float64 {
	a := &s.args[f.Arg]
	switch f.Func {
	case "sum":
		return b.fold(s, a, a.sum, f.Prev, add)
	case "avg":
		return b.fold(s, a, max(a.sum, a.sessions), f.Prev, add) / float64(known)
	case "min":
		return b.fold(s, a, a.low, f.Prev, math.Min)
	case "max":
		return b.fold(s, a, a.high, f.Prev, math.Max)
	case "distinct":
		return b.distinct(s, a, f.Prev)
	}
	for p := range s.places(b.Head, f.Prev) {
		m.add(&b.Sketches[p*s.sketches+a.sketch])
	}
	return m.quantile(percentile(f.Func))
}

func add(a, b float64) float64 { return a + b }

// percentile is the share of values that p95 or p99.5 names.
func percentile(function string) float64 {
	percent, err := strconv.ParseFloat(function[1:], 64)
	if err != nil {
		return math.NaN() // no function that condition compiles
	}
	return percent / 100
}

// fold joins one of the sums over the buckets in which the argument is known.
func (b *buckets) fold(s *shape, a *argShape, at int, prev bool, join func(a, b float64) float64) float64 {
	out, first := 0.0, true
	for p := range s.places(b.Head, prev) {
		if b.Counts[p*s.counts+a.known] == 0 {
			continue
		}
		v := b.Sums[p*s.sums+at]
		if !first {
			v = join(out, v)
		}
		out, first = v, false
	}
	return out
}

func (b *buckets) distinct(s *shape, a *argShape, prev bool) float64 {
	mask := uint64(0)
	for p := range s.places(b.Head, prev) {
		mask |= 1 << p
	}
	return b.Sets[a.set].count(mask)
}
