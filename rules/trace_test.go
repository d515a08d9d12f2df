package rules

import (
	"fmt"
	"testing"
	"time"

	"callwatch/call"
)

// A match that time made between two events is what explain tells, with the facts
// of then, as backtest does.
func TestTraceLetsTimePassBetweenEvents(t *testing.T) {
	set := compileSet(t, "rules: [{name: held, when: jitterMs > 30, for: 4m}]")
	trace, test := NewTrace(set, Options{}), NewBacktest(set, BacktestOptions{})
	var opened []Transition
	for i, jitter := range []float64{40, 10} {
		at := t0.Add(time.Duration(i) * 5 * time.Minute)
		e := call.Event{Identity: call.Identity{ID: fmt.Sprint(i), Provider: "p", Kind: call.Stats, CallID: "c", OccurredAt: at}, Facts: call.Facts{JitterMs: &jitter}}
		trace.Apply(at, &e)
		opened = append(opened, test.Event(at, &e)...)
	}
	x := trace.Calls()[0].Rules[0]
	if len(opened) == 0 || x.Verdict != VerdictMatched || x.Incident != opened[0].Incident.ID || !x.At.Equal(t0.Add(4*time.Minute)) {
		t.Errorf("%+v, want the incident of %+v", x, opened)
	}
}

// Ten thousand calls of a test are one pass each, also where a rule waits.
func TestLargeCasesAreFast(t *testing.T) {
	for _, rule := range []string{"when: mos < 3.5", "when: mos < 3.5\n    for: 1m", "over: 15m\n    min_calls: 20\n    when: rate(mos < 3.5) > 0.5"} {
		set := compileSet(t, "rules:\n  - name: a\n    "+rule+"\n    tests: [{name: t, given: [{repeat: 10000, kind: stats, call: {mos: 2}}], expect: {matched: 10000}}]")
		begun := time.Now()
		x := Runner{Set: set}
		x.Run(&set.Rules[0].Tests[0])
		if took := time.Since(begun); took > 2*time.Second*slack {
			t.Errorf("%s: %s", rule, took)
		} else {
			t.Log(rule, took)
		}
	}
}
