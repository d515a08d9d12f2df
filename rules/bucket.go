package rules

import (
	"fmt"
	"math"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// A window slides in steps of about a thirtieth of its length: calls are added
// up in buckets of that length, so that what a key takes does not grow with its
// calls.
const windowSteps = 30

// shape is how the figures of a rule are kept: the same for all of its keys.
type shape struct {
	steps    int           // buckets of one window
	ring     int           // buckets kept: twice as many where prev is asked for
	width    time.Duration // of a bucket, or
	calls    int           // calls of a bucket
	counts   int           // per bucket
	sums     int           // per bucket
	sketches int           // per bucket
	sets     int           // per key
	args     []argShape
	digest   string // of all that the numbers of a checkpoint depend on
}

// argShape says where the numbers of one argument stand; -1 for nowhere.
type argShape struct {
	known, met     int // in counts: calls for which it is known, calls that meet the condition
	sum, low, high int // in sums
	sketch, set    int
}

func shapeOf(w *Window) shape {
	s := shape{counts: 1}
	if w.Calls > 0 {
		s.calls = (w.Calls + windowSteps - 1) / windowSteps
		s.steps = (w.Calls + s.calls - 1) / s.calls
	} else {
		s.width = max((w.Over/windowSteps + time.Second - 1).Truncate(time.Second), time.Second)
		s.steps = int((w.Over + s.width - 1) / s.width)
	}
	s.ring = s.steps
	take := func(place, n *int) {
		if *place < 0 {
			*place = *n
			*n++
		}
	}
	for range w.Figures.Args {
		a := argShape{-1, -1, -1, -1, -1, -1, -1}
		take(&a.known, &s.counts)
		s.args = append(s.args, a)
	}
	text := []string{w.String(), w.lead.limit.Op, fmt.Sprint(w.lead.limit.Number)}
	for _, f := range w.Figures.All {
		text = append(text, f.Name)
		if f.Prev {
			s.ring = 2 * s.steps
		}
		if f.Arg < 0 {
			continue
		}
		switch a := &s.args[f.Arg]; f.Func {
		case "count", "rate":
			take(&a.met, &s.counts)
		case "avg", "sum":
			take(&a.sum, &s.sums)
		case "min":
			take(&a.low, &s.sums)
		case "max":
			take(&a.high, &s.sums)
		case "distinct":
			take(&a.set, &s.sets)
		default:
			take(&a.sketch, &s.sketches)
		}
	}
	if w.lead.arg >= 0 && w.lead.bound {
		take(&s.args[w.lead.arg].met, &s.counts)
	}
	s.digest = Digest([]byte(strings.Join(text, "\x00")))
	return s
}

// buckets are the figures of one key, a ring by the buckets' numbers.
type buckets struct {
	Head     int64            `json:"head"`            // number of the newest
	Total    int64            `json:"total,omitempty"` // calls ever counted, of windows over calls
	Counts   []uint32         `json:"counts"`
	Sums     []float64        `json:"sums,omitempty"`
	Sketches []sketch         `json:"sketches,omitempty"`
	Sets     []distinctValues `json:"sets,omitempty"`
}

func newBuckets(s *shape, head int64) *buckets {
	return &buckets{
		Head: head, Counts: make([]uint32, s.ring*s.counts), Sums: makeSome[float64](s.ring * s.sums),
		Sketches: makeSome[sketch](s.ring * s.sketches), Sets: makeSome[distinctValues](s.sets),
	}
}

func makeSome[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, n)
}

// at is the number of the bucket for a time.
func (s *shape) at(t time.Time) int64 {
	return floorDiv(t.UnixNano(), int64(s.width))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// end is when the bucket of a number is over.
func (s *shape) end(number int64) time.Time {
	return time.Unix(0, (number+1)*int64(s.width)).UTC()
}

func (s *shape) place(number int64) int {
	return int(number - floorDiv(number, int64(s.ring))*int64(s.ring))
}

// advance moves the newest bucket on, emptying those that leave the ring.
func (b *buckets) advance(s *shape, head int64) {
	if head-b.Head > int64(s.ring) {
		b.Head = head - int64(s.ring)
	}
	for b.Head < head {
		b.Head++
		p := s.place(b.Head)
		clear(b.Counts[p*s.counts : (p+1)*s.counts])
		clear(b.Sums[p*s.sums : (p+1)*s.sums])
		for i := p * s.sketches; i < (p+1)*s.sketches; i++ {
			b.Sketches[i] = nil
		}
		for i := range b.Sets {
			b.Sets[i].forget(p)
		}
	}
}

// reading is what one call says to the arguments of a rule.
type reading struct {
	known, met bool
	number     float64
	text       string
}

// add counts one call in the bucket of a number, which the ring holds.
func (b *buckets) add(s *shape, number int64, readings []reading) {
	p := s.place(number)
	counts, sums := b.Counts[p*s.counts:(p+1)*s.counts], b.Sums[p*s.sums:(p+1)*s.sums]
	counts[0]++
	for i, r := range readings {
		a := &s.args[i]
		if !r.known {
			continue
		}
		first := counts[a.known] == 0
		counts[a.known]++
		if a.met >= 0 && r.met {
			counts[a.met]++
		}
		if a.sum >= 0 {
			sums[a.sum] += r.number
		}
		if a.low >= 0 && (first || r.number < sums[a.low]) {
			sums[a.low] = r.number
		}
		if a.high >= 0 && (first || r.number > sums[a.high]) {
			sums[a.high] = r.number
		}
		if a.sketch >= 0 {
			at := p*s.sketches + a.sketch
			b.Sketches[at] = b.Sketches[at].add(r.number)
		}
		if a.set >= 0 {
			b.Sets[a.set].add(r.text, p)
		}
	}
}

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

// places are those of the window's buckets in the ring, oldest first.
func (s *shape) places(head int64, prev bool) func(func(int) bool) {
	if prev {
		head -= int64(s.steps)
	}
	return func(yield func(int) bool) {
		p := s.place(head - int64(s.steps) + 1)
		for range s.steps {
			if !yield(p) {
				return
			}
			if p++; p == s.ring {
				p = 0
			}
		}
	}
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

// empty says whether no bucket of the ring has a call.
func (b *buckets) empty(s *shape) bool {
	for p := s.place(b.Head) * s.counts; p >= 0; p -= s.counts { // most often the newest has one
		if b.Counts[p] > 0 {
			return false
		}
	}
	for p := 0; p < len(b.Counts); p += s.counts {
		if b.Counts[p] > 0 {
			return false
		}
	}
	return true
}

// read asks the arguments of a rule about the call in facts.
func (w *Window) read(facts *condition.Facts, readings []reading) ([]reading, error) {
	var failure error
	for i, a := range w.Figures.Args {
		var r reading
		var err error
		switch s := &w.shape.args[i]; {
		case a.Cond:
			res := a.Judge(facts)
			r.known, r.met, err = res.Truth != condition.Unknown, res.Truth == condition.True, res.Err
		case s.set >= 0:
			r.text, r.known, err = a.Value(facts)
			if s.sum+s.low+s.high+s.sketch > -4 {
				r.number, _, _ = a.Number(facts)
			}
		default:
			r.number, r.known, err = a.Number(facts)
		}
		if i == w.lead.arg && !a.Cond && w.lead.bound {
			r.met = r.known && w.lead.limit.Holds(r.number)
		}
		if err != nil && failure == nil {
			failure = err
		}
		readings = append(readings, r)
	}
	return readings, failure
}

// happened is when a call was over, by the provider's clock, or else when that
// was stored.
func happened(e *call.Event, stored time.Time) time.Time {
	for _, t := range []time.Time{e.EndedAt, e.OccurredAt} {
		if !t.IsZero() {
			return t
		}
	}
	return stored
}

// shape names how the rule's windows are kept; "" for a rule without.
func (r *Rule) shape() string {
	if r.Window == nil {
		return ""
	}
	return r.Window.shape.digest
}
