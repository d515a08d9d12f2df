package window

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules/condition"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// compile is the spec of a window over a duration, or over "12 calls", with some
// expressions of which the first is the condition.
func compile(t testing.TB, over string, expressions ...string) *Spec {
	t.Helper()
	w := &Spec{}
	var err error
	if calls, ok := strings.CutSuffix(over, " calls"); ok {
		w.Calls, err = strconv.Atoi(calls)
	} else {
		w.Over, err = time.ParseDuration(over)
	}
	if err != nil {
		t.Fatal(err)
	}
	var when *condition.Program
	for _, src := range expressions {
		p, problems := condition.CompileWindow(src, condition.Env{}, &w.Figures)
		if p == nil {
			t.Fatal(problems)
		}
		if when == nil {
			when = p
		}
	}
	w.Compile(when)
	return w
}

// ended is the end of a call.
func ended(set func(*call.Event)) call.Event {
	e := call.Event{Identity: call.Identity{ID: "1", Provider: "p", CallID: "1", Kind: call.Ended, OccurredAt: t0}}
	set(&e)
	return e
}

// counted is one call as the naive recomputation sees it.
type countedCall struct {
	bucket int64
	mos    *float64
	jitter *float64
	agent  string
}

// The figures of a window equal those recomputed over all of its calls.
func TestFiguresAgainstNaive(t *testing.T) {
	const asked = "calls > 5 or count(mos < 3.5) > 0 or rate(mos < 3.5) > 0 or avg(mos) > 2 or min(mos) > 2 or max(mos) > 2 or sum(jitterMs) > 1 or " +
		"p50(jitterMs) > 1 or p95(jitterMs) > 1 or p99(jitterMs) > 1 or p(jitterMs, 7) > 1 or p(jitterMs, 99.5) > 1 or distinct(agentId) > 1"
	prev := " or prev(calls) > 1 or prev(rate(mos < 3.5)) > 0 or prev(avg(mos)) > 2 or prev(max(mos)) > 2 or prev(p90(jitterMs)) > 1 or prev(distinct(agentId)) > 1"
	for _, over := range []string{"5m", "45s", "100 calls", "7 calls", "1 calls", "31 calls"} {
		w := compile(t, over, asked+prev)
		rapid.Check(t, func(t *rapid.T) {
			s := New(w, t0)
			var all []countedCall
			now := t0
			for range rapid.IntRange(1, 150).Draw(t, "n") {
				now = now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "pause")) * time.Second)
				e, readings := drawnCall(t, w, now, -5, 0, 0, 20, 200, 2000)
				s.Add(w, 0, e.EndedAt, now, readings)
				c := countedCall{mos: e.MOS, jitter: e.JitterMs, agent: e.AgentID}
				if w.Calls == 0 {
					head := floorDiv(now.Unix(), int64(w.shape.width.Seconds()))
					c.bucket = min(head, floorDiv(e.EndedAt.Unix(), int64(w.shape.width.Seconds())))
					if c.bucket <= head-int64(w.shape.steps) {
						c.bucket = head // its window is over: it counts when it settles
					}
				}
				all = append(all, c)
			}
			var m merged
			var sums totals
			sums.addUp(&w.shape, s.Buckets)
			for i := range w.Figures.All {
				f := &w.Figures.All[i]
				from := s.Buckets.Head - int64(w.shape.steps)
				to := s.Buckets.Head
				if f.Prev {
					from, to = from-int64(w.shape.steps), from
				}
				var in []countedCall
				if w.Calls > 0 { // exactly the last N, or the N before those
					end := len(all)
					if f.Prev {
						end = max(0, end-w.Calls)
					}
					in = all[max(0, end-w.Calls):end]
				}
				for _, c := range all {
					if w.Calls == 0 && c.bucket > from && c.bucket <= to {
						in = append(in, c)
					}
				}
				arg := ""
				if f.Arg >= 0 {
					arg = w.Figures.Args[f.Arg].Text
				}
				measure := s.Buckets.measure(w, f, &sums, &m, w.MinCalls)
				want, got := naive(f.Func, arg, in), measure.Low
				allowed := 1e-9
				if math.IsNaN(want) != math.IsNaN(got) || got != measure.High && !math.IsNaN(got) || math.Abs(want-got) > allowed*math.Abs(want)+1e-6 {
					t.Fatalf("%s over %s is %v, want %v of %d calls", f.Name, over, got, want, len(in))
				}
			}
		})
	}
}

func naive(function, arg string, in []countedCall) float64 {
	var values []float64
	texts := map[string]bool{}
	for _, c := range in {
		switch {
		case arg == "jitterMs" && c.jitter != nil:
			values = append(values, *c.jitter)
		case arg == "mos" && c.mos != nil:
			values = append(values, *c.mos)
		case arg == "mos < 3.5" && c.mos != nil && *c.mos < 3.5:
			values = append(values, 1)
		case arg == "mos < 3.5" && c.mos != nil:
			values = append(values, 0)
		case arg == "agentId" && c.agent != "":
			texts[c.agent] = true
			values = append(values, 0)
		}
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	slices.Sort(values)
	n := len(values)
	switch function {
	case "calls":
		return float64(len(in))
	case "distinct", "sum", "count":
		switch {
		case n == 0 && len(in) > 0:
			return math.NaN()
		case function == "distinct":
			return float64(len(texts))
		default:
			return sum
		}
	}
	if n == 0 {
		return math.NaN()
	}
	switch function {
	case "rate", "avg":
		return sum / float64(n)
	case "min":
		return values[0]
	case "max":
		return values[n-1]
	}
	rank := max(1, int(math.Ceil(percentile(function)*float64(n)-1e-9)))
	return values[rank-1]
}

// drawnCall is a call that ended so many seconds before now, one of late, and what a
// window reads of it.
func drawnCall(t *rapid.T, w *Spec, now time.Time, late ...int) (call.Event, []Reading) {
	e := ended(func(e *call.Event) {
		e.AgentID = rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "agent")
		e.EndedAt = now.Add(-time.Duration(rapid.SampledFrom(late).Draw(t, "late")) * time.Second)
		if rapid.Bool().Draw(t, "has mos") {
			e.MOS = new(rapid.Float64Range(1, 5).Draw(t, "mos"))
		}
		if rapid.Bool().Draw(t, "has jitter") {
			e.JitterMs = new(rapid.Float64Range(0, 5000).Draw(t, "jitter"))
		}
	})
	var facts condition.Facts
	facts.Load(&e)
	readings, err := w.Read(&facts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e, readings
}
