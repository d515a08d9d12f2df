package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules"
)

const manyWindows = `rules:
  - {name: low, when: mos < 3.5, resolve_after: 2m, repeat: 3m, repeat_max: 10m}
  - {name: share, over: 5m, min_calls: 3, when: rate(mos < 3.5) > 0.4, resolve: rate(mos < 3.5) < 0.3, for: 1m, resolve_after: 1m,
     severity: {critical: rate(mos < 3.5) > 0.7, warning: rate(mos < 3.5) > 0.4}, adopts: [low], repeat: 2m, cooldown: 1m}
  - {name: drop, over: 3m, when: avg(mos) < prev(avg(mos)) - 0.3, by: [provider, direction], no_data: resolve, resolve_after: 30s}
  - {name: spread, over: 12 calls, min_calls: 4, when: max(mos) - min(mos) > 1 and p95(jitterMs) > 40, resolve_after: 10s}
  - {name: agents, over: 4m, when: distinct(agentId) >= 3 or sum(jitterMs) > 300, settle: 1m, grace: 1m, no_data: alert, resolve_after: 20s, max_keys: 2, by: [direction]}
  - {name: talks, over: 3m, count_by: sessionId, when: rate(mos < 3.5) > 0.4 or p90(jitterMs) > 40, by: [], resolve_after: 20s}
  - {name: talks-before, over: 1m, count_by: sessionId, when: avg(jitterMs) > prev(avg(jitterMs)) or calls > prev(calls), resolve_after: 0s}
  - {name: none, absent: 4m, resolve_after: 1m, active: {hours: "12:00-13:00", tz: Europe/Berlin}, adopts: [low]}
  - {name: awaited, absent: 3m, resolve_after: 10s, by: [direction], expect: [inbound, other]}
  - {name: none-at-night, absent: 2m, resolve_after: 0s, active: {hours: "12:20-12:40"}, by: [provider, direction]}
  - {name: fresh, new: agentId, learn: 5m, resolve_after: 2m, by: [direction]}
`

// edgeRules are at the edges of the lifecycle: off, and resolving in the step that ends
// the condition.
const edgeRules = `  - {name: resting, mode: off, when: mos < 3.5}
  - {name: resting-window, mode: off, over: 3m, when: calls > 2, for: 1m}
  - {name: resting-absence, mode: off, absent: 1m}
  - {name: momentary, when: mos < 2, resolve_after: 0s}
  - {name: momentary-window, over: 2m, when: calls > 2, resolve_after: 0s, no_data: resolve}
  - {name: counted, over: 6 calls, when: count(mos < 3.5) >= 3, resolve_after: 0s}
  - {name: counted-before, over: 4 calls, when: rate(mos < 3.5) > prev(rate(mos < 3.5)), for: 20s, resolve_after: 30s, by: [direction]}
  - {name: busier, over: 1m, settle: 0s, when: "calls > prev(calls, 1m) || avg(mos) < prev(avg(mos), 90s)", resolve_after: 0s, by: []}
  - {name: few, over: 2m, when: calls < 2, resolve_after: 0s, for: 30s}
  - {name: lasting, on: [stats, progress, ended], when: jitterMs > 30, for: 10s, resolve_after: 1m}
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
			e.SessionID = rapid.SampledFrom([]string{"", "x", "y", "z"}).Draw(t, "session")
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

// Windows, absence, new values, adoption and the edges of the lifecycle give the same
// transitions wherever the engine is stopped and restored, also where people resolve
// incidents and callwatch was away.
func TestRestartAnywhereWithWindows(t *testing.T) {
	set := compileSet(t, manyWindows+edgeRules)
	steps := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		inputs := drawInputs(t, 80)
		actions := make([]rules.Doing, len(inputs))
		for i := range inputs {
			actions[i] = rapid.SampledFrom([]rules.Doing{"", "", "", "", rules.Resolve, rules.Resume}).Draw(t, "action")
			if actions[i] == rules.Resume { // some of the time before was without callwatch
				away := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 10 * time.Minute}).Draw(t, "away")
				for j := range inputs[i:] {
					inputs[i+j].at = inputs[i+j].at.Add(away)
				}
			}
		}
		run := func(restart func() bool) string {
			g := New(set, Options{})
			var out []rules.Transition
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
				seq := uint64(2*i + 1)
				switch open := g.Incidents(); {
				case actions[i] == rules.Resume:
					out = append(out, g.Act(seq, in.at, rules.Action{Do: rules.Resume, By: "callwatch"})...)
				case actions[i] == rules.Resolve && len(open) > 0:
					out = append(out, g.Act(seq, in.at, rules.Action{Do: rules.Resolve, By: "ada", Incident: open[i%len(open)].ID})...)
				}
				if in.event == nil {
					out = append(out, g.Tick(seq+1, in.at)...)
				} else {
					out = append(out, g.Apply(seq+1, in.at, in.event)...)
				}
			}
			for _, o := range out {
				steps[o.Incident.Rule+" "+string(o.Step)]++
				if o.Incident.ResolvedBy != nil {
					steps["by hand"]++
				}
			}
			b, err := json.MarshalIndent(struct {
				Out    []rules.Transition
				Health []rules.Health
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
	for _, some := range []string{"by hand", "momentary resolved", "momentary-window resolved", "counted resolved", "counted-before opened", "few opened", "busier opened", "talks opened", "talks resolved", "talks-before opened", "lasting opened"} {
		if steps[some] == 0 && !testing.Short() { // a short run draws a fifth
			t.Errorf("no run had: %s", some)
		}
	}
	for step, n := range steps {
		if strings.HasPrefix(step, "resting") {
			t.Errorf("%d times: %s", n, step)
		}
	}
}

// Ticks change nothing but the moment at which something is told.
func TestTicksDoNotMatter(t *testing.T) {
	set := compileSet(t, manyWindows)
	rapid.Check(t, func(t *rapid.T) {
		inputs := drawInputs(t, 60)
		run := func(ticks bool) (steps []string) {
			g := New(set, Options{})
			seq := uint64(0)
			note := func(made []rules.Transition) {
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
