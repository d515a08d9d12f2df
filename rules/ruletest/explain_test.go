package ruletest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

func endedWith(id string, mos float64) *call.Event {
	return &call.Event{
		Identity: call.Identity{ID: id, Provider: "example", CallID: id, Kind: call.Ended},
		Facts:    call.Facts{MOS: new(mos), MOSSource: call.FromProvider, DurationSec: new(60.0)},
	}
}

func flushWith(id string, mos float64) *call.Event {
	e := endedWith(id, mos)
	e.Kind = call.Stats
	return e
}

func explainOne(t *testing.T, rule string, feed func(*Trace)) rules.Explanation {
	t.Helper()
	trace := NewTrace(compileSet(t, "rules:\n  - name: one\n    "+rule), engine.Options{})
	feed(trace)
	calls := trace.Calls()
	return calls[len(calls)-1].Rules[0]
}

func TestExplanations(t *testing.T) {
	one := func(mos float64) func(*Trace) {
		return func(x *Trace) { x.Apply(t0, endedWith("a", mos)) }
	}
	for _, c := range []struct {
		name, rule string
		feed       func(*Trace)
		verdict    rules.Verdict
		held       []rules.Reason
		missing    []string
	}{
		{"matched", "when: mos < 3.5", one(3), rules.VerdictMatched, nil, nil},
		{"not matched", "when: mos < 3.5", one(4), rules.VerdictNotMatched, nil, nil},
		{"unjudged", "when: mos > 4 || jitterMs > 3", one(3), rules.VerdictUnjudged, nil, []string{"jitterMs"}},
		{"unjudged by where", "when: mos < 3.5\n    where: rttMs > 3", one(3), rules.VerdictUnjudged, nil, []string{"rttMs"}},
		{"left out by where", "when: mos < 3.5\n    where: durationSec > 90", one(3), rules.VerdictNotConcerned, []rules.Reason{{By: "where", Text: "the rule is not about this call"}}, nil},
		{"left out by an exception", "when: mos < 3.5\n    except: {short: durationSec < 90}", one(3), rules.VerdictNotConcerned, []rules.Reason{{By: "except", Text: "the exception short holds"}}, nil},
		{"left out by on", "when: mos < 3.5\n    on: [stats]", one(3), rules.VerdictNotConcerned, []rules.Reason{{By: "on", Text: "events of kind ended do not wake the rule"}}, nil},
		{"held by for", "when: mos < 3.5\n    for: 5m", func(x *Trace) { x.Apply(t0, flushWith("a", 3)); x.Wait(t0.Add(4 * time.Minute)) }, rules.VerdictMatched, []rules.Reason{{By: "for", Text: "has held for 0s, must hold for 5m"}}, nil},
		{"held for long enough", "when: mos < 3.5\n    for: 5m", func(x *Trace) { x.Apply(t0, flushWith("a", 3)); x.Wait(t0.Add(5 * time.Minute)) }, rules.VerdictMatched, nil, nil},
		{"over before it was held", "when: mos < 3.5\n    for: 5m", one(3), rules.VerdictMatched, []rules.Reason{{By: "for", Text: "the call ended before the condition had held for 5m"}}, nil},
		{"held by a share of events", "when: mos < 3.5\n    for: 2 of 3", one(3), rules.VerdictMatched, []rules.Reason{{By: "for", Text: "held in 1 of the latest 1 events, must hold in 2 of 3"}}, nil},
		{"shadow", "when: mos < 3.5\n    mode: shadow", one(3), rules.VerdictMatched, []rules.Reason{{By: "mode", Text: "the rule is in shadow mode: recorded, nothing is sent"}}, nil},
		{"off", "when: mos < 3.5\n    mode: \"off\"", one(3), rules.VerdictMatched, []rules.Reason{{By: "mode", Text: "the rule is off"}}, nil},
		{"cooldown", "when: mos < 3.5\n    resolve_after: 1m\n    cooldown: 10m", func(x *Trace) {
			one(3)(x)
			x.Wait(t0.Add(2 * time.Minute))
			x.Apply(t0.Add(3*time.Minute), endedWith("b", 3))
		}, rules.VerdictMatched, []rules.Reason{{By: "cooldown", Text: "an incident was resolved a short while ago: no new one before 2026-11-01T12:11:00Z"}}, nil},
		{"a match stays one when the call gets better", "when: mos < 3.5", func(x *Trace) {
			one(3)(x)
			better := endedWith("a", 4)
			better.ID, better.Kind = "a2", call.Report
			x.Apply(t0.Add(time.Minute), better)
		}, rules.VerdictMatched, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := explainOne(t, c.rule, c.feed)
			if x.Verdict != c.verdict {
				t.Errorf("verdict %s, want %s", x.Verdict, c.verdict)
			}
			if diff := cmp.Diff(c.held, x.HeldBack); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.missing, x.Missing); diff != "" {
				t.Error(diff)
			}
			alerted := c.verdict == rules.VerdictMatched && (len(c.held) == 0 || c.name == "shadow")
			if (x.Incident != "") != alerted {
				t.Errorf("incident %q, want one: %v", x.Incident, alerted)
			}
		})
	}
}

// The tree has every sub-expression; an unknown value is absent.
func TestExplanationTree(t *testing.T) {
	x := explainOne(t, "when: mos < 3.5 || jitterMs > 30\n    severity: {critical: mos < 2, warning: mos < 3.5}", func(x *Trace) { x.Apply(t0, endedWith("a", 3)) })
	want := []rules.Part{
		{Name: "when", Truth: rules.True, Tree: rules.Tree{Expr: "mos < 3.5 || jitterMs > 30", Truth: rules.True, Children: []rules.Tree{
			{Expr: "mos < 3.5", Truth: rules.True, Children: []rules.Tree{{Expr: "mos", Value: 3.0}}},
			{Expr: "jitterMs > 30", Truth: rules.Unknown, Children: []rules.Tree{{Expr: "jitterMs"}}},
		}}},
		{Name: "severity critical", Truth: rules.False, Tree: rules.Tree{Expr: "mos < 2", Truth: rules.False, Children: []rules.Tree{{Expr: "mos", Value: 3.0}}}},
		{Name: "severity warning", Truth: rules.True, Tree: rules.Tree{Expr: "mos < 3.5", Truth: rules.True, Children: []rules.Tree{{Expr: "mos", Value: 3.0}}}},
	}
	if diff := cmp.Diff(want, x.Parts); diff != "" {
		t.Error(diff)
	}
	if x.Severity != rules.Warning {
		t.Errorf("severity %s", x.Severity)
	}
}

// What is explained as matched is what the engine matched, rule by rule.
func TestExplanationAgreesWithEngine(t *testing.T) {
	set, _, err := rulefmt.LoadFile("../../rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for mos := 1.0; mos <= 4.5; mos += 0.5 {
		trace := NewTrace(set, engine.Options{})
		trace.Apply(t0, endedWith("a", mos))
		open := map[string]bool{}
		for _, in := range trace.engine.Incidents() {
			open[in.Rule] = true
		}
		for _, x := range trace.Calls()[0].Rules {
			if (x.Verdict == rules.VerdictMatched) != open[x.Rule] {
				t.Errorf("mos %v: %s is %s, incident open: %v", mos, x.Rule, x.Verdict, open[x.Rule])
			}
		}
	}
}

// Over a window, what the call says comes before what the window makes of it.
func TestWindowExplanations(t *testing.T) {
	const rule = "over: 10m\n    min_calls: 3\n    where: durationSec > 5\n    when: rate(mos < 3.5) > 0.5\n    for: 5m\n    resolve: rate(mos < 3.5) < 0.2"
	bad := func(n int, settled bool) func(*Trace) {
		return func(x *Trace) {
			for i := range n {
				e := endedWith(string(rune('a'+i)), 3)
				e.Final = settled
				x.Apply(t0.Add(time.Duration(i)*time.Second), e)
			}
		}
	}
	wait := func(feed func(*Trace), d time.Duration) func(*Trace) {
		return func(x *Trace) { feed(x); x.Wait(t0.Add(d)) }
	}
	for _, c := range []struct {
		name    string
		feed    func(*Trace)
		verdict rules.Verdict
		held    []rules.Reason
		parts   []string
	}{
		{"few calls", bad(2, true), rules.VerdictUnjudged, []rules.Reason{{By: "min_calls", Text: "rate(mos < 3.5): 2 of 2 calls measured; needs 3"}}, []string{"where", "of the call", "when"}},
		{"waits for a report", bad(3, false), rules.VerdictUnjudged, []rules.Reason{{By: "settle", Text: "not counted yet: the call is not over, or may be reported on for 2m"}}, []string{"where", "of the call"}},
		{"has not held long enough", bad(3, true), rules.VerdictMatched, []rules.Reason{{By: "for", Text: "must hold for 5m, 5m more"}}, []string{"where", "of the call", "when"}},
		{"fires", wait(bad(3, true), 6*time.Minute), rules.VerdictMatched, nil, []string{"where", "of the call", "when", "resolve"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := explainOne(t, rule, c.feed)
			if x.Verdict != c.verdict {
				t.Errorf("verdict %s, want %s", x.Verdict, c.verdict)
			}
			if diff := cmp.Diff(c.held, x.HeldBack); diff != "" {
				t.Error(diff)
			}
			var parts []string
			for _, p := range x.Parts {
				parts = append(parts, p.Name)
			}
			if diff := cmp.Diff(c.parts, parts); diff != "" {
				t.Error(diff)
			}
			if (x.Incident != "") != (c.name == "fires") {
				t.Errorf("incident %q", x.Incident)
			}
		})
	}
}

func TestAbsenceAndNoveltyExplanations(t *testing.T) {
	one := func(x *Trace) { x.Apply(t0, endedWith("a", 3)) }
	later := func(d time.Duration) func(*Trace) { return func(x *Trace) { one(x); x.Wait(t0.Add(d)) } }
	value := func(id, codec string, at time.Time) func(*Trace) {
		return func(x *Trace) {
			e := endedWith(id, 3)
			e.Codec = codec
			x.Apply(at, e)
		}
	}
	for _, c := range []struct {
		name, rule string
		feed       func(*Trace)
		verdict    rules.Verdict
		held       []rules.Reason
		missing    []string
	}{
		{"calls come", "absent: 30m", later(10 * time.Minute), rules.VerdictNotMatched, []rules.Reason{{By: "absent", Text: "the latest call came 10m ago, alerts after 30m"}}, nil},
		{"none came", "absent: 30m", later(31 * time.Minute), rules.VerdictMatched, nil, nil},
		{"nothing to compare", "new: codec\n    learn: 1h", one, rules.VerdictUnjudged, nil, []string{"codec"}},
		{"still learning", "new: codec\n    learn: 1h", value("a", "pcmu", t0), rules.VerdictNotMatched, nil, nil},
		{"a new value", "new: codec\n    learn: 1h", func(x *Trace) {
			value("a", "pcmu", t0)(x)
			value("b", "opus", t0.Add(2*time.Hour))(x)
		}, rules.VerdictMatched, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := explainOne(t, c.rule, c.feed)
			if x.Verdict != c.verdict {
				t.Errorf("verdict %s, want %s", x.Verdict, c.verdict)
			}
			if diff := cmp.Diff(c.held, x.HeldBack); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.missing, x.Missing); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A ratio with too little below its line is no matter of calls that may be either.
func TestExplanationOfAShortRatio(t *testing.T) {
	for _, c := range []struct {
		name string
		mos  []float64 // 0: unknown
		held []rules.Reason
	}{
		{"too few", []float64{3, 4, 3, 0}, []rules.Reason{{By: "ratio", Text: "count(mos != nil) is 3; its ratio needs 5"}}},
		{"enough", []float64{3, 4, 4, 4, 4}, nil},
	} {
		x := explainOne(t, "over: 10m\n    when: ratio(count(mos < 3.5), count(mos != nil), 5) > 0.5", func(x *Trace) {
			for i, mos := range c.mos {
				e := endedWith(string(rune('a'+i)), mos)
				if e.Final = true; mos == 0 {
					e.MOS = nil
				}
				x.Apply(t0.Add(time.Duration(i)*time.Second), e)
			}
		})
		if diff := cmp.Diff(c.held, x.HeldBack); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// An incident that another one adopted says so.
func TestExplanationOfAdopted(t *testing.T) {
	set := compileSet(t, `
rules:
  - name: single
    when: mos < 3.5
  - name: share
    over: 10m
    min_calls: 2
    when: rate(mos < 3.5) > 0.5
    adopts: [single]
`)
	trace := NewTrace(set, engine.Options{})
	for i, id := range []string{"a", "b", "c"} {
		e := endedWith(id, 3)
		e.Final = true
		trace.Apply(t0.Add(time.Duration(i)*time.Second), e)
	}
	calls := trace.Calls()
	share := calls[2].Rules[1]
	want := []rules.Reason{{By: "adopts", Text: "told in the thread of incident " + share.Incident}}
	if diff := cmp.Diff(want, calls[2].Rules[0].HeldBack); diff != "" || share.Incident == "" {
		t.Errorf("%s\n%+v", diff, share)
	}
}
