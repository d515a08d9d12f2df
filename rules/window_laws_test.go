package rules

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules/condition"
)

const manyWindows = `rules:
  - {name: low, when: mos < 3.5, resolve_after: 2m, repeat: 3m, repeat_max: 10m}
  - {name: share, over: 5m, min_calls: 3, when: rate(mos < 3.5) > 0.4, resolve: rate(mos < 3.5) < 0.3, for: 1m, resolve_after: 1m,
     severity: {critical: rate(mos < 3.5) > 0.7, warning: rate(mos < 3.5) > 0.4}, adopts: [low], repeat: 2m, cooldown: 1m}
  - {name: drop, over: 3m, when: avg(mos) < prev(avg(mos)) - 0.3, by: [provider, direction], no_data: resolve, resolve_after: 30s}
  - {name: spread, over: 12 calls, min_calls: 4, when: max(mos) - min(mos) > 1 and p95(jitterMs) > 40, resolve_after: 10s}
  - {name: agents, over: 4m, when: distinct(agentId) >= 3 or sum(jitterMs) > 300, settle: 1m, grace: 1m, no_data: alert, resolve_after: 20s, max_keys: 2, by: [direction]}
  - {name: none, absent: 4m, resolve_after: 1m, active: {hours: "12:00-13:00", tz: Europe/Berlin}, adopts: [low]}
  - {name: none-at-night, absent: 2m, resolve_after: 0s, active: {hours: "12:20-12:40"}, by: [provider, direction]}
  - {name: fresh, new: agentId, learn: 5m, resolve_after: 2m, by: [direction]}
`

// input is an event, or a tick where the event is nil.
type input struct {
	at    time.Time
	event *call.Event
}

func drawInputs(t *rapid.T, most int) []input {
	var inputs []input
	at := t0.Add(-30 * time.Minute)
	for i := range rapid.IntRange(1, most).Draw(t, "n") {
		at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5, 20, 60, 200}).Draw(t, "pause")) * time.Second)
		if rapid.IntRange(0, 5).Draw(t, "tick") == 0 {
			inputs = append(inputs, input{at: at})
			continue
		}
		e := ended(fmt.Sprint(rapid.IntRange(0, most/2).Draw(t, "call")), func(e *call.Event) {
			e.ID, e.OccurredAt = fmt.Sprint(i), at
			e.EndedAt = at.Add(-time.Duration(rapid.SampledFrom([]int{0, 3, 50, 100, 400}).Draw(t, "late")) * time.Second)
			e.Kind = rapid.SampledFrom([]call.Kind{call.Progress, call.Stats, call.Ended, call.Ended, call.Report}).Draw(t, "kind")
			e.Final = e.Kind == call.Ended && rapid.Bool().Draw(t, "final")
			e.Direction = rapid.SampledFrom([]string{"", call.Inbound, call.Outbound}).Draw(t, "direction")
			e.AgentID = rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "agent")
			if rapid.IntRange(0, 3).Draw(t, "has mos") > 0 {
				mos(rapid.SampledFrom([]float64{1.5, 3, 3.4, 4, 4.3}).Draw(t, "mos"))(e)
			}
			if rapid.Bool().Draw(t, "has jitter") {
				e.JitterMs = new(rapid.SampledFrom([]float64{10.1, 50.7, 33.3}).Draw(t, "jitter"))
			}
		})
		inputs = append(inputs, input{at, &e})
	}
	return inputs
}

// Windows, absence, new values and adoption give the same transitions wherever
// the engine is stopped and restored, and however many ticks come in between.
func TestRestartAnywhereWithWindows(t *testing.T) {
	set := compileSet(t, manyWindows)
	rapid.Check(t, func(t *rapid.T) {
		inputs := drawInputs(t, 80)
		run := func(restart func() bool) string {
			g := NewEngine(set, Options{})
			var out []Transition
			for i, in := range inputs {
				if restart() {
					data, err := g.Checkpoint()
					if err != nil {
						t.Fatal(err)
					}
					if g, err = Restore(set, Options{}, data); err != nil {
						t.Fatal(err)
					}
				}
				if in.event == nil {
					out = append(out, g.Tick(uint64(i+1), in.at)...)
				} else {
					out = append(out, g.Apply(uint64(i+1), in.at, in.event)...)
				}
			}
			b, err := json.MarshalIndent(struct {
				Out    []Transition
				Health []Health
			}{out, g.Healths()}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		want := run(func() bool { return false })
		if diff := cmp.Diff(want, run(func() bool { return rapid.Bool().Draw(t, "restart") })); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Ticks change nothing but the moment at which something is told.
func TestTicksDoNotMatter(t *testing.T) {
	set := compileSet(t, manyWindows)
	rapid.Check(t, func(t *rapid.T) {
		inputs := drawInputs(t, 60)
		run := func(ticks bool) (steps []string) {
			g := NewEngine(set, Options{})
			seq := uint64(0)
			note := func(made []Transition) {
				for _, m := range made {
					steps = append(steps, fmt.Sprint(m.At, m.Step, m.Incident.ID, m.Reason))
				}
			}
			for _, in := range inputs {
				for due := g.NextDeadline(); ticks && !due.IsZero() && due.Before(in.at); due = g.NextDeadline() {
					seq++
					note(g.Tick(seq, due))
				}
				seq++
				if in.event != nil {
					note(g.Apply(seq, in.at, in.event))
				} else {
					note(g.Tick(seq, in.at))
				}
			}
			return steps
		}
		if diff := cmp.Diff(run(false), run(true)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// counted is one call as the naive recomputation sees it.
type countedCall struct {
	bucket int64
	mos    *float64
	jitter *float64
	agent  string
}

// The figures of a window equal those worked out anew over all of its calls.
func TestFiguresAgainstNaive(t *testing.T) {
	const asked = "calls > 5 or count(mos < 3.5) > 0 or rate(mos < 3.5) > 0 or avg(mos) > 2 or min(mos) > 2 or max(mos) > 2 or sum(jitterMs) > 1 or " +
		"p50(jitterMs) > 1 or p95(jitterMs) > 1 or p99(jitterMs) > 1 or distinct(agentId) > 1"
	prev := " or prev(calls) > 1 or prev(rate(mos < 3.5)) > 0 or prev(avg(mos)) > 2 or prev(max(mos)) > 2 or prev(p90(jitterMs)) > 1 or prev(distinct(agentId)) > 1"
	for _, over := range []string{"5m", "45s", "100 calls", "7 calls", "1 calls", "31 calls"} {
		set := compileSet(t, fmt.Sprintf("rules: [{name: all, over: %s, when: %q, grace: 1d}]", over, asked+prev))
		w := set.Rules[0].Window
		rapid.Check(t, func(t *rapid.T) {
			var s *windowState
			var all []countedCall
			now := t0
			for range rapid.IntRange(1, 150).Draw(t, "n") {
				now = now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "pause")) * time.Second)
				e := ended("x", func(e *call.Event) {
					e.AgentID = rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "agent")
					e.EndedAt = now.Add(-time.Duration(rapid.SampledFrom([]int{-5, 0, 0, 20, 200, 2000}).Draw(t, "late")) * time.Second)
					if rapid.Bool().Draw(t, "has mos") {
						e.MOS = new(rapid.Float64Range(1, 5).Draw(t, "mos"))
					}
					if rapid.Bool().Draw(t, "has jitter") {
						e.JitterMs = new(rapid.Float64Range(0, 5000).Draw(t, "jitter"))
					}
				})
				var facts condition.Facts
				facts.Load(&e)
				readings, err := w.read(&facts, nil)
				if err != nil {
					t.Fatal(err)
				}
				s, _ = s.add(w, e.EndedAt, now, readings)
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
				measure := s.Buckets.measure(w, f, &sums, &m)
				want, got := naive(f.Func, arg, in), measure.Low
				allowed := 1e-9
				if f.Func[0] == 'p' {
					allowed = 0.005 + 1e-9
				}
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
	rank := max(1, int(math.Ceil(percentile(function)*float64(n))))
	return values[rank-1]
}

func TestSketchOfExtremes(t *testing.T) {
	var m merged
	for _, v := range []float64{0, -3, 1e-9, 1e30, -1e30, 250, math.MaxFloat64} {
		var s sketch
		m.add(s.add(v))
		if got := m.quantile(0.5); math.Abs(v) < 1e28 && math.Abs(got-v) > 0.005*math.Abs(v)+1e-6 {
			t.Errorf("%v reads as %v", v, got)
		}
	}
	var s sketch
	for range 200_000 {
		s = s.add(42)
	}
	if m.add(s); m.n != 200_000 || len(s) != 4 {
		t.Errorf("%d values in %d cells", m.n, len(s))
	}
}
