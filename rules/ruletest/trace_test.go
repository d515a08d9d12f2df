package ruletest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
)

// The work of a test grows with its calls and not with their square, also where a
// rule waits: four times the calls make about four times the allocations.
func TestLargeCasesAreOnePass(t *testing.T) {
	plain(t)
	base := 2500
	if testing.Short() {
		base = 500
	}
	for _, rule := range []string{"when: mos < 3.5", "when: mos < 3.5\n    for: 1m", "over: 15m\n    min_calls: 20\n    when: rate(mos < 3.5) > 0.5"} {
		work := func(calls int) float64 {
			set := compileSet(t, fmt.Sprintf("rules:\n  - name: a\n    %s\n    tests: [{name: t, given: [{repeat: %d, kind: stats, call: {mos: 2}}], expect: {matched: %d}}]", rule, calls, calls))
			return testing.AllocsPerRun(1, func() {
				x := Runner{Set: set}
				x.Run(&set.Rules[0].Tests[0])
			})
		}
		few, many := work(base), work(4*base)
		if many > 6*few {
			t.Errorf("%s: %.0f allocations for %d calls, %.0f for %d", rule, few, base, many, 4*base)
		}
	}
}

// What a window makes of a call is told with the figures of the time at which the
// call was judged, whatever comes later, and with the incident that followed.
func TestTraceKeepsTheWindowOfThen(t *testing.T) {
	settled := func(id string, mos float64) *call.Event {
		e := endedWith(id, mos)
		e.Final = true
		return e
	}
	const rate = "over: 10m\n    min_calls: 2\n    when: rate(mos < 3.5) >= 0.5"
	for _, c := range []struct {
		name, rule string
		feed       func(*Trace)
		want       map[string]string // call: verdict, value of the first figure of when, reasons
	}{
		{"calls that come later change nothing", rate, func(x *Trace) {
			for i, mos := range []float64{3, 3, 4, 4, 4, 4} {
				x.Apply(t0.Add(time.Duration(i)*time.Second), settled(string(rune('a'+i)), mos))
			}
		}, map[string]string{
			"a": "unjudged unknown [min_calls]", "b": "matched 1 []", "c": "matched 0.667 []",
			"d": "matched 0.5 []", "e": "not-matched 0.4 []", "f": "not-matched 0.333 []",
		}},
		{"a call counts when it settles", rate, func(x *Trace) {
			x.Apply(t0, endedWith("a", 3))
			x.Apply(t0.Add(time.Second), settled("b", 4))
			x.Apply(t0.Add(time.Minute), settled("c", 4))
			x.Wait(t0.Add(5 * time.Minute))
			x.Apply(t0.Add(6*time.Minute), settled("d", 3))
		}, map[string]string{"a": "not-matched 0.333 []", "b": "unjudged unknown [min_calls]", "c": "not-matched 0 []", "d": "matched 0.5 []"}},
		{"a condition that held long enough", rate + "\n    for: 1m", func(x *Trace) {
			x.Apply(t0, settled("a", 3))
			x.Apply(t0.Add(time.Second), settled("b", 3))
			x.Apply(t0.Add(5*time.Minute), settled("c", 4))
		}, map[string]string{"b": "matched 1 []", "c": "matched 0.667 []"}},
		{"a condition that did not hold long enough", rate + "\n    for: 1m", func(x *Trace) {
			x.Apply(t0, settled("a", 3))
			x.Apply(t0.Add(time.Second), settled("b", 3))
			x.Apply(t0.Add(2*time.Second), settled("c", 4))
			x.Apply(t0.Add(3*time.Second), settled("d", 4))
			x.Apply(t0.Add(4*time.Second), settled("e", 4))
		}, map[string]string{"b": "matched 1 [for]", "e": "not-matched 0.4 []"}},
		{"an end that came too late", rate, func(x *Trace) {
			late := settled("a", 3)
			late.EndedAt = t0.Add(-time.Hour)
			x.Apply(t0, late)
		}, map[string]string{"a": "unjudged unknown [grace]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			trace := NewTrace(compileSet(t, "rules:\n  - name: one\n    "+c.rule), engine.Options{})
			c.feed(trace)
			for _, x := range trace.Calls() {
				want, ok := c.want[x.Call.CallID]
				if !ok {
					continue
				}
				got, value := x.Rules[0], "unknown"
				for _, p := range got.Parts {
					if p.Name == "when" && p.Tree.Children[0].Value != nil {
						value = fmt.Sprintf("%.3g", p.Tree.Children[0].Value)
					}
				}
				held := []string{}
				for _, h := range got.HeldBack {
					held = append(held, h.By)
				}
				if text := fmt.Sprintf("%s %s %v", got.Verdict, value, held); text != want {
					t.Errorf("%s: %s, want %s", x.Call.CallID, text, want)
				}
				if alerts := got.Verdict == rules.VerdictMatched && len(held) == 0; alerts != (got.Incident != "") {
					t.Errorf("%s: incident %q", x.Call.CallID, got.Incident)
				}
			}
		})
	}
}

// A focus changes nothing of the calls that are in it.
func TestTraceWithAFocus(t *testing.T) {
	set := compileSet(t, "rules:\n  - {name: share, over: 10m, min_calls: 2, settle: 30s, when: rate(mos < 3.5) >= 0.5}\n  - {name: single, when: mos < 3.5, for: 1m}\n")
	whole, one := NewTrace(set, engine.Options{}), NewTrace(set, engine.Options{})
	key := endedWith("c", 1).Key()
	one.Focus(key)
	for i := range 20 {
		for _, x := range []*Trace{whole, one} {
			x.Apply(t0.Add(time.Duration(i)*20*time.Second), endedWith(string(rune('a'+i)), float64(1+i%5)))
		}
	}
	if got := one.Calls(); len(got) != 1 || !one.Done(key) {
		t.Errorf("%+v", got)
	} else if diff := cmp.Diff(whole.Calls()[2], got[0]); diff != "" {
		t.Error(diff)
	}
}
