package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// over sends n final calls, one every pause.
func (f *feed) calls(n int, pause time.Duration, set func(*call.Event)) *feed {
	for range n {
		f.wait(pause)
		e := ended("", set)
		e.CallID = "c" + time.Duration(f.seq).String()
		e.ID, e.EndedAt, e.Final = e.CallID, f.at, true
		f.event(e)
	}
	return f
}

func (f *feed) names() []string {
	names := []string{}
	for _, t := range f.out {
		if t.Step != rules.StepUpdated {
			names = append(names, t.Incident.Rule+" "+string(t.Step))
		}
	}
	return names
}

const shareRule = `rules:
  - name: share
    over: 15m
    min_calls: 20
    when: rate(mos < 3.5) > 0.10
    resolve: rate(mos < 3.5) < 0.05
    resolve_after: 5m
    severity: {critical: rate(mos < 3.5) > 0.5, warning: rate(mos < 3.5) > 0.1}
`

func TestAShareFiresAndResolves(t *testing.T) {
	mos := func(v float64) func(*call.Event) {
		return func(e *call.Event) { mos(v)(e); e.Codec = "opus" }
	}
	f := newFeed(t, shareRule).calls(15, 10*time.Second, mos(4.2)).calls(4, 10*time.Second, mos(3))
	if len(f.out) != 0 {
		t.Fatalf("judged %d calls", 19)
	}
	f.calls(1, 10*time.Second, mos(3))
	if diff := cmp.Diff([]string{"share opened"}, f.names()); diff != "" {
		t.Fatal(diff)
	}
	in := f.out[0].Incident
	if got, want := in.Counts, (rules.Counts{Matched: 5, Judged: 20}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if in.Values == nil || in.Values.Opening != 0.25 || !in.Values.Share || in.Values.Name != "rate(mos < 3.5)" {
		t.Errorf("values %+v", in.Values)
	}
	if len(in.Samples) != 5 || in.Samples[0].Conditions[0].Text != "mos (3) < 3.5" {
		t.Errorf("samples %+v", in.Samples)
	}
	if got, want := in.Summary, "rate(mos < 3.5) (0.25) > 0.1 over 15m on p"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	if in.Latest.Call.Provider != "p" || in.Latest.Call.CallID != "" || len(in.Trend) == 0 {
		t.Errorf("latest %+v, trend %v", in.Latest.Call.Identity, in.Trend)
	}
	// What the calls have in common is counted over the latest ones of the window.
	if diff := cmp.Diff([]rules.Share{{Field: "codec", Value: "opus", Matched: 5, Judged: 8}}, in.Top); diff != "" || in.TopOf != 8 {
		t.Errorf("top of %d calls: %s", in.TopOf, diff)
	}
	f.calls(30, 10*time.Second, mos(2)).calls(200, 10*time.Second, mos(4))
	if diff := cmp.Diff([]string{"share opened", "share escalated", "share resolved"}, f.names()); diff != "" {
		t.Fatal(diff)
	}
	last := f.out[len(f.out)-1]
	if diff := cmp.Diff([]rules.Share{{Field: "codec", Value: "opus", Matched: 35, Judged: last.Incident.TopOf}}, last.Incident.Top); diff != "" || last.Incident.TopOf != 152 {
		t.Errorf("top of %d calls: %s", last.Incident.TopOf, diff)
	}
	if last.Incident.Values.Resolving == nil || *last.Incident.Values.Resolving >= 0.05 || last.Reason != "clear for 5m" {
		t.Errorf("resolved with %+v, %q", last.Incident.Values, last.Reason)
	}
	if good := last.Incident.Resolving; good != nil { // its figures say how it ended: there is no one good call
		t.Errorf("resolved by the call %+v", good.Call.Identity)
	}
}

// An escalation says why: the conditions of the level that holds, with what they met.
func TestEscalationsSayWhy(t *testing.T) {
	why := func(f *feed) (reasons []string) {
		for _, tr := range f.out {
			if tr.Step == rules.StepEscalated {
				reasons = append(reasons, tr.Reason)
			}
		}
		return reasons
	}
	f := newFeed(t, shareRule).calls(15, 10*time.Second, mos(4)).calls(5, 10*time.Second, mos(3)).calls(30, 10*time.Second, mos(2))
	if diff := cmp.Diff([]string{"rate(mos < 3.5) (0.52) > 0.5 over 15m"}, why(f)); diff != "" {
		t.Error(diff)
	}
	f = newFeed(t, `rules:
  - name: low
    when: mos < 3.5 || packetsLost > 50
    severity: {critical: mos < 2 || mos < 3 && packetsLost > 500, info: mos > 3}
`)
	f.event(ended("1", mos(3.2))).event(ended("2", lost(60))).event(ended("3", func(e *call.Event) { mos(2.5)(e); lost(600)(e) }))
	if diff := cmp.Diff([]string{"packetsLost (60) > 50", "mos (2.5) < 3, packetsLost (600) > 500"}, why(f)); diff != "" {
		t.Error(diff)
	}
}

// Between the limits of when and resolve an incident stays open.
func TestHysteresis(t *testing.T) {
	f := newFeed(t, shareRule).calls(20, 10*time.Second, mos(3))
	for range 40 { // 7 %
		f.calls(13, 10*time.Second, mos(4)).calls(1, 10*time.Second, mos(3))
	}
	if diff := cmp.Diff([]string{"share opened"}, f.names()); diff != "" {
		t.Error(diff)
	}
}

func TestTwoBadCallsAreNoTrend(t *testing.T) {
	f := newFeed(t, shareRule).calls(2, time.Second, mos(2)).wait(time.Hour)
	if len(f.out) != 0 {
		t.Errorf("got %v", f.steps())
	}
	if n := f.engine.Healths()[0].Keys; n != 0 {
		t.Errorf("%d keys are kept after their windows are empty", n)
	}
}

func TestForOverAWindow(t *testing.T) {
	const yaml = "rules: [{name: many, over: 10m, when: count(mos < 3.5) >= 3, for: 5m, resolve_after: 1m}]"
	f := newFeed(t, yaml).calls(3, time.Second, mos(2)).wait(4*time.Minute + 59*time.Second)
	if len(f.out) != 0 {
		t.Fatal("fired before it held for five minutes")
	}
	f.wait(time.Second)
	f.wait(20 * time.Minute)
	if diff := cmp.Diff([]string{"many opened", "many resolved"}, f.names()); diff != "" {
		t.Error(diff)
	}
}

// A call that may yet be reported on counts two minutes after its end, with what
// the report said.
func TestSettle(t *testing.T) {
	const yaml = "rules: [{name: low, over: 15m, when: rate(mos < 3.5) > 0.5, min_calls: 1}]"
	f := newFeed(t, yaml).event(ended("1", func(e *call.Event) { e.EndedAt = t0 }))
	f.wait(time.Minute)
	report := ended("1", mos(2))
	report.ID, report.Kind = "report", call.Report
	f.event(report)
	if len(f.out) != 0 {
		t.Fatal("counted before the call was settled")
	}
	if due := f.engine.NextDeadline(); !due.Equal(t0.Add(2 * time.Minute)) {
		t.Errorf("next deadline %s, want two minutes after the end", due)
	}
	f.wait(time.Minute).wait(time.Second)
	if diff := cmp.Diff([]string{"low opened"}, f.names()); diff != "" {
		t.Error(diff)
	}
	late := ended("2", func(e *call.Event) { mos(2)(e); e.EndedAt, e.Final = t0.Add(-time.Hour), true })
	if f.event(late); f.engine.Healths()[0].Late != 1 {
		t.Errorf("health %+v, want one late call", f.engine.Healths()[0])
	}
}

func TestPrev(t *testing.T) {
	const yaml = "rules: [{name: drop, over: 10m, min_calls: 5, when: avg(mos) < prev(avg(mos)) - 0.3}]"
	f := newFeed(t, yaml).calls(20, 30*time.Second, mos(4.2)).calls(10, 30*time.Second, mos(4.1))
	if len(f.out) != 0 {
		t.Fatal(f.out[0].Reason)
	}
	f.calls(10, 30*time.Second, mos(3.2))
	if diff := cmp.Diff([]string{"drop opened"}, f.names()); diff != "" {
		t.Error(diff)
	}
}

func TestOverCalls(t *testing.T) {
	const yaml = "rules: [{name: last, over: 10 calls, min_calls: 10, when: rate(mos < 3.5) >= 0.5}]"
	f := newFeed(t, yaml).calls(4, time.Hour, mos(3)).calls(6, time.Hour, mos(4))
	f.calls(5, time.Hour, mos(3))
	if len(f.out) != 1 || f.out[0].Incident.Counts.Judged != 10 {
		t.Errorf("got %v", f.steps())
	}
}

func TestNoData(t *testing.T) {
	for noData, want := range map[string][]string{
		"keep": {"low opened"}, "resolve": {"low opened", "low resolved"},
	} {
		f := newFeed(t, "rules: [{name: low, over: 5m, when: rate(mos < 3.5) > 0.5, min_calls: 2, resolve_after: 1m, no_data: "+noData+"}]")
		f.calls(2, time.Second, mos(2))
		for range 20 {
			f.wait(time.Minute)
		}
		if diff := cmp.Diff(want, f.names()); diff != "" {
			t.Errorf("%s: %s", noData, diff)
		}
	}
	f := newFeed(t, "rules: [{name: low, over: 5m, when: rate(mos < 3.5) > 0.5, min_calls: 2, no_data: alert, resolve_after: 1m}]")
	f.calls(2, time.Second, mos(4)).wait(10*time.Minute).calls(3, 30*time.Second, mos(4)).wait(70 * time.Second)
	if diff := cmp.Diff([]string{"low opened", "low resolved"}, f.names()); diff != "" {
		t.Error(diff)
	}
}

func TestAbsence(t *testing.T) {
	const yaml = `rules:
  - name: no-calls
    absent: 30m
    resolve_after: 1m
    active: {hours: "08:00-20:00", days: mon-fri, tz: Europe/Berlin}
`
	berlin, _ := time.LoadLocation("Europe/Berlin")
	f := newFeed(t, yaml)
	f.at = time.Date(2026, 10, 23, 19, 50, 0, 0, berlin) // a Friday; clocks change on the Sunday
	f.calls(1, 0, nil)
	seen := f.at
	f.wait(40 * time.Minute)
	if len(f.out) != 0 {
		t.Fatal("the evening is not missed")
	}
	monday := time.Date(2026, 10, 26, 8, 0, 0, 0, berlin)
	if due := f.engine.NextDeadline(); !due.Equal(seen.Add(time.Hour)) && !due.Equal(monday) {
		t.Errorf("next deadline %s", due)
	}
	f.wait(monday.Add(29 * time.Minute).Sub(f.at))
	if len(f.out) != 0 {
		t.Fatal("fired before half an hour of Monday was over")
	}
	f.wait(time.Minute)
	f.calls(1, time.Minute, nil).wait(2 * time.Minute)
	if diff := cmp.Diff([]string{"no-calls opened", "no-calls resolved"}, f.names()); diff != "" {
		t.Fatal(diff)
	}
	f.wait(20 * 24 * time.Hour)
	if f.engine.Healths()[0].Keys != 0 {
		t.Error("a key is missed for longer than a week")
	}
}

func TestNewValues(t *testing.T) {
	cause := func(c string) func(*call.Event) { return func(e *call.Event) { e.HangupCause = c } }
	f := newFeed(t, "rules: [{name: fresh, new: hangupCause, learn: 1d}]")
	f.calls(3, time.Hour, cause("normal")).calls(1, time.Hour, cause("busy"))
	f.wait(24*time.Hour).calls(1, time.Hour, cause("busy")).calls(1, 0, nil)
	if len(f.out) != 0 {
		t.Fatal(f.steps())
	}
	f.calls(2, time.Second, cause("gateway down"))
	if len(f.out) != 1 || f.out[0].Incident.Opening.Conditions[0].Text != `hangupCause ("gateway down") is new` {
		t.Errorf("got %v", f.steps())
	}
	if got := f.engine.Healths()[0].Counts.Unjudged; got != 1 {
		t.Errorf("%d unjudged, want the call without a cause", got)
	}
}

func TestAdoption(t *testing.T) {
	f := newFeed(t, `rules:
  - {name: bad-call, when: mos < 3.5, resolve_after: 10m}
  - {name: share, over: 15m, min_calls: 5, when: rate(mos < 3.5) > 0.5, adopts: [bad-call]}
`)
	f.calls(5, time.Second, mos(3))
	if diff := cmp.Diff([]string{"bad-call opened", "share opened", "bad-call adopted"}, f.names()); diff != "" {
		t.Fatal(diff)
	}
	parent, child := f.out[1].Incident, f.out[2].Incident
	if child.Parent != parent.ID || len(parent.Adopted) != 1 || parent.Adopted[0].ID != child.ID {
		t.Errorf("parent %s of %+v, child %s of %s", parent.ID, parent.Adopted, child.ID, child.Parent)
	}
	f.wait(11*time.Minute).calls(1, time.Second, mos(3))
	if last := f.out[len(f.out)-1]; last.Step != rules.StepOpened || last.Incident.Parent != parent.ID {
		t.Errorf("a later incident: %s, parent %q", last.Step, last.Incident.Parent)
	}
}

func TestRemindersDouble(t *testing.T) {
	f := newFeed(t, "rules: [{name: bad, when: mos < 3.5, resolve_after: 7d, repeat: 1h, repeat_max: 3h}]").calls(1, 0, mos(2))
	opened := f.at
	var at []string
	for range 20 * 60 {
		f.wait(time.Minute)
	}
	for _, tr := range f.out {
		if tr.Step == rules.StepReminded {
			at = append(at, tr.At.Sub(opened).String())
		}
	}
	if diff := cmp.Diff([]string{"1h0m0s", "3h0m0s", "6h0m0s", "9h0m0s", "12h0m0s", "15h0m0s", "18h0m0s"}, at); diff != "" {
		t.Error(diff)
	}
}

func TestFlappingResolvesLater(t *testing.T) {
	f := newFeed(t, "rules: [{name: bad, when: mos < 3.5, resolve_after: 1m}]")
	for range 4 {
		f.calls(1, 2*time.Minute, mos(2)).wait(2 * time.Minute)
	}
	last := f.out[len(f.out)-1]
	if last.Step != rules.StepOpened || last.Incident.ResolveAfter != 15*time.Minute ||
		last.Reason != "opened 4 times within an hour: resolves 15m after its end instead of 1m" {
		t.Errorf("%s, resolve after %s: %q", last.Step, last.Incident.ResolveAfter, last.Reason)
	}
	if got := last.Incident.Flapping; got == nil || *got != (rules.Flapping{Openings: 4, Usual: time.Minute}) {
		t.Errorf("the incident says of its flapping %+v", got)
	}
	if first := f.out[0].Incident.Flapping; first != nil {
		t.Errorf("the first one flaps: %+v", first)
	}
}

func TestKeysAreBounded(t *testing.T) {
	f := newFeed(t, "rules: [{name: low, over: 15m, when: rate(mos < 3.5) > 0.5, min_calls: 1, by: [agentId], max_keys: 3}]")
	for _, agent := range []string{"a", "b", "c", "d", "a", "e"} {
		f.calls(1, time.Second, func(e *call.Event) { mos(2)(e); e.AgentID = agent })
	}
	if h := f.engine.Healths()[0]; h.Keys != 3 || h.Overflow != 2 || h.Open != 3 {
		t.Errorf("health %+v, want three keys and two calls left out", h)
	}
}

// A window that is asked other questions starts again; its incident lives on. A
// rule of another kind begins afresh.
func TestReloadOfWindows(t *testing.T) {
	const rule = "rules: [{name: low, resolve_after: 1m, min_calls: 2, over: %s, when: rate(mos < 3.5) > 0.5}]"
	f := newFeed(t, fmt.Sprintf(rule, "15m")).calls(2, time.Second, mos(2))
	reload := func(yaml string) {
		t.Helper()
		data, err := f.engine.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if f.engine, err = Restore(compileSet(t, yaml), Options{}, data); err != nil {
			t.Fatal(err)
		}
	}
	reload(fmt.Sprintf(rule, "10m"))
	f.calls(1, time.Second, mos(4)).wait(2 * time.Minute)
	if diff := cmp.Diff([]string{"low opened"}, f.names()); diff != "" {
		t.Fatal(diff)
	}
	f.calls(2, time.Second, mos(4)).wait(time.Minute)
	if diff := cmp.Diff([]string{"low opened", "low resolved"}, f.names()); diff != "" {
		t.Fatal(diff)
	}
	f.calls(9, time.Second, mos(2))
	reload("rules: [{name: low, when: mos < 1.5}]")
	f.wait(time.Second)
	if last := f.out[len(f.out)-1]; last.Step != rules.StepResolved || last.Reason != "the rule was removed or regrouped" {
		t.Errorf("%s: %s", last.Step, last.Reason)
	}
}

// A window longer than a key is missed keeps its calls all the same.
func TestLongWindow(t *testing.T) {
	f := newFeed(t, "rules: [{name: low, over: 20d, min_calls: 4, when: rate(mos < 3.5) > 0.5}]").calls(2, time.Hour, mos(2))
	f.wait(10*24*time.Hour).calls(2, time.Hour, mos(2))
	if diff := cmp.Diff([]string{"low opened"}, f.names()); diff != "" {
		t.Error(diff)
	}
}

func TestFewCallsAreWarnedOf(t *testing.T) {
	for yaml, want := range map[string]int{
		"rules: [{name: low, over: 15m, when: rate(mos < 3.5) > 0.5}]":                                    1,
		"rules: [{name: low, over: 15m, when: rate(mos < 3.5) > 0.5, min_calls: 20}]":                     0,
		"rules: [{name: low, over: 15m, when: count(mos < 3.5) > 5}]":                                     0,
		"rules: [{name: low, over: 15m, when: count(mos < 3.5) / calls > 0.5}]":                           1,
		"rules: [{name: low, over: 15m, when: 'ratio(count(mos < 3.5), calls, 20) > 0.5'}]":               0,
		"rules: [{name: low, over: 15m, when: count(mos < 3.5) / 15 > 0.5}]":                              0,
		"rules: [{name: low, over: 15m, when: calls / prev(calls) > 2}]":                                  0,
		"defaults: {min_calls: 5}\nrules: [{name: low, over: 15m, when: rate(mos < 3.5) > 0.5}]":          0,
		"defaults: {min_calls: 5}\nrules: [{name: low, when: mos < 3.5}, {name: gone, absent: 1h}]":       0,
		"defaults: {severity: {critical: mos < 2}}\nrules: [{name: low, over: 1h, when: avg(mos) < 3.5}]": 0,
		"define: {bad: mos < 3.5}\nrules: [{name: low, over: 1h, min_calls: 9, when: rate(bad) > 0.1}]":   0,
		"rules: [{name: low, over: 1h, min_calls: 0, when: rate(answered) < 0.1}]":                        0,
	} {
		set, problems := rulefmt.Load("rules.yaml", []byte(yaml))
		if set == nil || len(problems) != want {
			t.Errorf("%s: %v, want %d warnings", yaml, problems, want)
		}
	}
}

// The clock of a provider that runs ahead, or is of another age, breaks nothing.
func TestTimesOutOfThisWorld(t *testing.T) {
	f := newFeed(t, "rules: [{name: low, over: 15m, min_calls: 2, when: rate(mos < 3.5) > 0.5}]")
	for i, at := range []time.Time{time.Unix(1<<55, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Unix(-1<<55, 0)} {
		e := ended(fmt.Sprint(i), func(e *call.Event) { mos(2)(e); e.EndedAt, e.Final = at, true })
		f.event(e).wait(time.Second)
	}
	if h := f.engine.Healths()[0]; h.Late != 2 || h.Counts.Matched != 2 || len(f.out) != 1 {
		t.Errorf("health %+v, want two calls counted now and two late", h)
	}
}

// The value of a summary is that of the share that the condition compares, not of the
// number of calls above its line.
func TestSummaryOfAQuotientIsItsValue(t *testing.T) {
	for when, want := range map[string]string{
		"count(mos < 3.5) / calls > 0.3":                           "42.9 % of the calls",
		"ratio(count(mos < 3.5), count(answered), 5) > 0.3":        "42.9 % of the calls",
		"not (ratio(count(mos < 3.5), count(answered), 5) <= 0.3)": "42.9 % of the calls",
		"100 * count(mos < 3.5) / calls > 30":                      "42.9 % of the calls",
		"count(mos < 3.5) > 8":                                     "9 of the calls",
		"rate(mos < 3.5) > 0.3":                                    "42.9 % of the calls",
	} {
		value := "{{ pct .Value }}"
		if when == "count(mos < 3.5) > 8" {
			value = "{{ num .Value }}"
		}
		f := newFeed(t, fmt.Sprintf("rules: [{name: r, over: 1h, min_calls: 21, when: %q, settle: 0s, summary: %q}]", when, value+" of the calls"))
		for i := range 21 {
			f.calls(1, time.Minute, func(e *call.Event) { e.Answered, e.MOS = new(true), new(2+2*float64(min(1, i/9))) })
		}
		if open := f.engine.Incidents(); len(open) != 1 || open[0].Summary != want {
			t.Errorf("%s: %d incidents, %q", when, len(open), f.out[len(f.out)-1].Incident.Summary)
		}
	}
}

// The sentence of an empty window names its length once.
func TestSummaryOfAnEmptyWindow(t *testing.T) {
	f := newFeed(t, "rules: [{name: r, over: 5m, when: rate(mos < 3.5) > 0.9, no_data: alert, settle: 0s}]")
	f.calls(9, time.Minute, mos(4)).wait(8 * time.Minute)
	if open := f.engine.Incidents(); len(open) != 1 || open[0].Summary != "no call for 5m on p" {
		t.Errorf("%+v", open)
	}
}
