package rules

import (
	"math"

	"callwatch/rules/condition"
)

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

// figure is one figure of the window; NaN where it is unknown: of calls of which
// nothing is known, or of no call where that has no answer.
func (b *buckets) figure(s *shape, f *condition.Figure, t *totals, m *merged) float64 {
	counts := t.of(f)
	calls := counts[0]
	if f.Arg < 0 {
		return float64(calls)
	}
	a := &s.args[f.Arg]
	known := counts[a.known]
	if known == 0 {
		if calls == 0 && (f.Func == "count" || f.Func == "sum" || f.Func == "distinct") {
			return 0
		}
		return math.NaN()
	}
	switch f.Func {
	case "count":
		return float64(counts[a.met])
	case "rate":
		return float64(counts[a.met]) / float64(known)
	case "sum":
		return b.fold(s, a, a.sum, f.Prev, add)
	case "avg":
		return b.fold(s, a, a.sum, f.Prev, add) / float64(known)
	case "min":
		return b.fold(s, a, a.low, f.Prev, math.Min)
	case "max":
		return b.fold(s, a, a.high, f.Prev, math.Max)
	case "distinct":
		return b.distinct(s, a, f.Prev)
	}
	for p := range s.places(b.Head, f.Prev) {
		m.add(b.Sketches[p*s.sketches+a.sketch])
	}
	return m.quantile(percentile(f.Func))
}

func add(a, b float64) float64 { return a + b }

// percentile is the rank that p50, p90, p95 and p99 name.
func percentile(function string) float64 {
	switch function {
	case "p50":
		return 0.50
	case "p90":
		return 0.90
	case "p95":
		return 0.95
	default:
		return 0.99
	}
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
