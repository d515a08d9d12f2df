package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// plainCondition is a condition with a second implementation: what it is where all
// is known, and which of its comparisons can be read.
type plainCondition struct {
	src   string
	holds func(e *call.Event) bool
	reads func(e *call.Event) bool
}

func plainConditions() []plainCondition {
	mos := func(e *call.Event) bool { return e.MOS != nil }
	jitter := func(e *call.Event) bool { return e.JitterMs != nil }
	rtt := func(e *call.Event) bool { return e.RTTMs != nil }
	low := func(e *call.Event) int {
		n := 0
		for _, iv := range e.Intervals {
			if *iv.MOS < 3.5 {
				n++
			}
		}
		return n
	}
	anyInterval := func(e *call.Event) bool {
		return slices.ContainsFunc(e.Intervals, func(iv call.Interval) bool { return iv.MOS != nil })
	}
	return []plainCondition{
		{"mos < 3.5", func(e *call.Event) bool { return *e.MOS < 3.5 }, mos},
		{
			"mos < 3.5 || jitterMs > 30",
			func(e *call.Event) bool { return *e.MOS < 3.5 || *e.JitterMs > 30 },
			func(e *call.Event) bool { return mos(e) || jitter(e) },
		},
		{
			"mos < 3.5 && not (jitterMs > 30 || rttMs > 500)",
			func(e *call.Event) bool { return *e.MOS < 3.5 && *e.JitterMs <= 30 && *e.RTTMs <= 500 },
			func(e *call.Event) bool { return mos(e) || jitter(e) || rtt(e) },
		},
		{"answered", func(e *call.Event) bool { return *e.Answered }, func(e *call.Event) bool { return e.Answered != nil }},
		{"count(intervals, .mos < 3.5) >= 2", func(e *call.Event) bool { return low(e) >= 2 }, anyInterval},
		{"not any(intervals, .mos < 3.5)", func(e *call.Event) bool { return low(e) == 0 }, anyInterval},
	}
}

// completions are all calls that e may turn out to be: by its intervals, or by its
// other fields.
func completions(e call.Event, intervals bool) []call.Event {
	all := []call.Event{e}
	fill := func(unknown bool, values ...func(*call.Event)) {
		if !unknown {
			return
		}
		var next []call.Event
		for _, have := range all {
			for _, set := range values {
				c := have
				c.Intervals = slices.Clone(c.Intervals)
				set(&c)
				next = append(next, c)
			}
		}
		all = next
	}
	for i := 0; intervals && i < len(e.Intervals); i++ {
		fill(e.Intervals[i].MOS == nil, func(e *call.Event) { e.Intervals[i].MOS = new(3.0) }, func(e *call.Event) { e.Intervals[i].MOS = new(4.0) })
	}
	if intervals {
		return all
	}
	fill(e.MOS == nil, func(e *call.Event) { e.MOS = new(3.0) }, func(e *call.Event) { e.MOS = new(4.0) })
	fill(e.JitterMs == nil, func(e *call.Event) { e.JitterMs = new(10.0) }, func(e *call.Event) { e.JitterMs = new(50.0) })
	fill(e.RTTMs == nil, func(e *call.Event) { e.RTTMs = new(100.0) }, func(e *call.Event) { e.RTTMs = new(900.0) })
	fill(e.Answered == nil, func(e *call.Event) { e.Answered = new(true) }, func(e *call.Event) { e.Answered = new(false) })
	return all
}

func (p *plainCondition) class(e *call.Event) condition.Class {
	yes, no := 0, 0
	intervals := strings.Contains(p.src, "intervals")
	if len(e.Intervals) > 0 || !intervals { // a list that is not there may hold anything
		for _, c := range completions(*e, intervals) {
			if p.holds(&c) {
				yes++
			} else {
				no++
			}
		}
	}
	switch {
	case yes > 0 && no == 0:
		return condition.Matching
	case no > 0 && yes == 0:
		return condition.Clear
	case p.reads(e):
		return condition.Partial
	default:
		return condition.Blind
	}
}

type plainCall struct {
	place   int64 // number of its bucket, or its own
	event   *call.Event
	classes map[string]condition.Class // by the condition's source
}

// plainMeasure works a figure out over the calls themselves.
func plainMeasure(f *condition.Figure, arg string, minCalls int, in []plainCall) Measure {
	unknown := Measure{Low: math.NaN(), High: math.NaN(), Calls: len(in)}
	exactly := func(m Measure, v float64) Measure {
		if m.Low, m.High = math.NaN(), math.NaN(); m.Measured >= minCalls && (m.Measured > 0 || m.Calls == 0) {
			m.Low, m.High = v, v
		}
		return m
	}
	if f.Func == "calls" {
		unknown.Measured = len(in)
		return exactly(unknown, float64(len(in)))
	}
	if f.Func == "count" || f.Func == "rate" {
		n := map[condition.Class]int{}
		for _, c := range in {
			n[c.classes[arg]]++
		}
		m := Measure{
			Low: math.NaN(), High: math.NaN(), Calls: len(in), Blind: n[condition.Blind], Partial: n[condition.Partial],
			Matching: n[condition.Matching], Measured: len(in) - n[condition.Blind],
		}
		least, most, base := float64(m.Matching), float64(m.Matching+m.Partial), 1.0
		if f.Func == "rate" {
			base = float64(m.Measured)
		}
		if m.Measured >= minCalls && (m.Measured > 0 || m.Calls == 0 && f.Func == "count") {
			m.Low, m.High = least/base, most/base
		}
		return m
	}
	var values []float64
	different := map[string]bool{}
	for _, c := range in {
		e := c.event
		v := map[string]*float64{"mos": e.MOS, "jitterMs": e.JitterMs, "rttMs - jitterMs": nil}[arg]
		if e.RTTMs != nil && e.JitterMs != nil && arg == "rttMs - jitterMs" {
			v = new(*e.RTTMs - *e.JitterMs)
		}
		if arg == "agentId" && e.AgentID != "" {
			v = new(float64(e.AgentID[0]))
		}
		if v != nil {
			different[fmt.Sprint(*v)] = true
			values = append(values, *v)
		}
	}
	m := Measure{Low: math.NaN(), High: math.NaN(), Calls: len(in), Measured: len(values), Blind: len(in) - len(values)}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	slices.Sort(values)
	switch f.Func {
	case "sum":
		return exactly(m, sum)
	case "distinct":
		return exactly(m, float64(len(different)))
	}
	if len(values) == 0 {
		return m
	}
	switch f.Func {
	case "avg":
		return exactly(m, sum/float64(len(values)))
	case "min":
		return exactly(m, values[0])
	case "max":
		return exactly(m, values[len(values)-1])
	default:
		return exactly(m, values[max(1, int(math.Ceil(percentile(f.Func)*float64(len(values))-1e-9)))-1])
	}
}

// everyFigure asks for every function of a window over every condition and value, now
// and before.
func everyFigure(t *testing.T, over string, minCalls int) *Spec {
	t.Helper()
	var asked []string
	for _, c := range plainConditions() {
		asked = append(asked, "count("+c.src+") > 0", "rate("+c.src+") > 0.5", "prev(count("+c.src+")) > 0", "prev(rate("+c.src+")) > 0.5")
	}
	for _, f := range []string{"avg", "min", "max", "sum", "p50", "p90", "p95", "p99"} {
		for _, v := range []string{"mos", "rttMs - jitterMs"} {
			asked = append(asked, f+"("+v+") > 2", "prev("+f+"("+v+")) > 2")
		}
	}
	asked = append(asked, "calls > 5", "prev(calls) > 5", "distinct(agentId) > 1", "prev(distinct(agentId)) > 1", "distinct(mos) > 1")
	half := len(asked) / 2 // the bound on the size of one expression
	w := compile(t, over, strings.Join(asked[:half], " or "), strings.Join(asked[half:], " or "))
	w.MinCalls = minCalls
	return w
}

func randomCall(r *rand.Rand, now time.Time) call.Event {
	some := func(n int) bool { return r.IntN(n) > 0 }
	return ended(func(e *call.Event) {
		e.EndedAt = now.Add(-time.Duration([]int{-5, 0, 0, 20, 200, 2000}[r.IntN(6)]) * time.Second)
		e.AgentID = []string{"", "a", "b", "c"}[r.IntN(4)]
		if some(2) {
			e.MOS = new(1 + float64(r.IntN(14))/4) // sums of quarters are exact in any order
		}
		if some(2) {
			e.JitterMs = new(float64(r.IntN(240)) / 4)
		}
		if some(2) {
			e.RTTMs = new(float64(r.IntN(4000)) / 4)
		}
		if some(2) {
			e.Answered = new(r.IntN(2) == 0)
		}
		for range r.IntN(4) {
			iv := call.Interval{Start: now}
			if some(2) {
				iv.MOS = new(3 + float64(r.IntN(2)))
			}
			e.Intervals = append(e.Intervals, iv)
		}
	})
}

// Over a thousand random streams of calls of which much is unknown, every figure of
// the window, and of the one before, has the bounds and the coverage that are worked
// out over the calls themselves.
func TestBoundsAgainstPlainRecomputation(t *testing.T) {
	plain(t)
	type variant struct {
		w *Spec
		n int
	}
	var variants []variant
	for _, over := range []string{"5m", "45s", "40 calls", "7 calls"} {
		for _, minCalls := range []int{0, 4} {
			variants = append(variants, variant{everyFigure(t, over, minCalls), minCalls})
		}
	}
	wide, compared, plain := 0, 0, plainConditions()
	seeds := 1200
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		v := variants[seed%len(variants)]
		w := v.w
		s := New(w, t0)
		var all []plainCall
		now := t0
		for range 1 + r.IntN(50) {
			now = now.Add(time.Duration(r.IntN(13)) * time.Second)
			e := randomCall(r, now)
			var facts condition.Facts
			facts.Load(&e)
			readings, err := w.Read(&facts, nil)
			if err != nil {
				t.Fatal(err)
			}
			place := s.Add(w, 0, e.EndedAt, now, readings).Place
			classes := map[string]condition.Class{}
			for _, p := range plain {
				classes[p.src] = p.class(&e)
			}
			all = append(all, plainCall{place, &e, classes})
		}
		var m merged
		var sums totals
		sums.addUp(&w.shape, s.Buckets)
		for i := range w.Figures.All {
			f := &w.Figures.All[i]
			to, length := s.Buckets.Head, int64(w.shape.steps)
			if w.Calls > 0 {
				to, length = int64(len(all)), int64(w.Calls)
			}
			if f.Prev {
				to -= length
			}
			in := slices.DeleteFunc(slices.Clone(all), func(c plainCall) bool { return c.place > to || c.place <= to-length })
			arg := ""
			if f.Arg >= 0 {
				arg = w.Figures.Args[f.Arg].Text
			}
			want, got := plainMeasure(f, arg, v.n, in), s.Buckets.measure(w, f, &sums, &m, w.MinCalls)
			if compared++; want.High > want.Low {
				wide++
			}
			if fmt.Sprint(got) != fmt.Sprint(want) { // NaN equals NaN
				t.Fatalf("seed %d: %s over %s, min_calls %d: %+v, want %+v of %d calls", seed, f.Name, fmt.Sprint(w.Over, w.Calls), v.n, got, want, len(in))
			}
		}
	}
	if wide < compared/10 {
		t.Errorf("only %d of %d figures had two ends", wide, compared)
	}
}
