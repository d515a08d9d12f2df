package engine

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

var t0 = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func compileSet(t testing.TB, yaml string) *rules.Set {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte(yaml))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return set
}

// feed drives an engine with a sequence and a clock of its own.
type feed struct {
	engine *Engine
	seq    uint64
	at     time.Time
	out    []rules.Transition
}

func newFeed(t testing.TB, yaml string) *feed {
	return &feed{engine: New(compileSet(t, yaml), Options{}), at: t0}
}

func (f *feed) event(e call.Event) *feed {
	f.seq++
	f.out = append(f.out, f.engine.Apply(f.seq, f.at, &e)...)
	return f
}

func (f *feed) wait(d time.Duration) *feed {
	f.at = f.at.Add(d)
	f.seq++
	f.out = append(f.out, f.engine.Tick(f.seq, f.at)...)
	return f
}

// steps are the transitions so far, as text.
func (f *feed) steps() []string {
	steps := []string{}
	for _, t := range f.out {
		steps = append(steps, fmt.Sprintf("%s %s %d", t.Incident.Rule, t.Step, t.Incident.Counts.Matched))
	}
	return steps
}

func ended(callID string, set func(*call.Event)) call.Event {
	e := call.Event{Identity: call.Identity{ID: "p:" + callID + "-end", Provider: "p", CallID: callID, Kind: call.Ended, OccurredAt: t0}}
	if set != nil {
		set(&e)
	}
	return e
}

func mos(v float64) func(*call.Event) {
	return func(e *call.Event) { e.MOS, e.MOSSource = &v, call.FromProvider }
}

func lost(n int64) func(*call.Event) {
	return func(e *call.Event) { e.PacketsLost = &n }
}

const badCall = "rules:\n  - name: bad-call\n    when: packetsLost > 50 || mos < 3.5\n"

func TestMissingValuesNeitherFireNorHide(t *testing.T) {
	for name, c := range map[string]struct {
		set     func(*call.Event)
		matches bool
		held    string
	}{
		"312 packets lost and no mos": {lost(312), true, "packetsLost (312) > 50"},
		"mos 3.1 and no packetsLost":  {mos(3.1), true, "mos (3.1) < 3.5"},
		"neither":                     {nil, false, ""},
		"both fine":                   {func(e *call.Event) { mos(4.2)(e); lost(3)(e) }, false, ""},
	} {
		for _, when := range []string{"packetsLost > 50 || mos < 3.5", "mos < 3.5 || packetsLost > 50"} {
			f := newFeed(t, "rules:\n  - name: bad-call\n    when: "+when+"\n").event(ended("1", c.set))
			if got := len(f.out) == 1 && f.out[0].Step == rules.StepOpened; got != c.matches {
				t.Errorf("%s, %s: opened %v, want %v", name, when, got, c.matches)
			} else if got && f.out[0].Incident.Opening.Held()[0] != c.held {
				t.Errorf("%s: held %q, want %q", name, f.out[0].Incident.Opening.Held(), c.held)
			}
		}
	}
}

func TestUnjudgedIsCounted(t *testing.T) {
	f := newFeed(t, badCall)
	f.event(ended("1", nil)).event(ended("2", mos(4)))
	got := f.engine.Healths()[0].Counts
	if want := (rules.Counts{Judged: 0, Unjudged: 2}); got != want {
		t.Errorf("mos alone does not tell whether packets were lost: got %+v, want %+v", got, want)
	}
	report := ended("1", func(e *call.Event) { mos(4)(e); lost(0)(e); e.Kind, e.ID = call.Report, "p:1-report" })
	f.event(report)
	if got, want := f.engine.Healths()[0].Counts, (rules.Counts{Judged: 1, Unjudged: 1}); got != want {
		t.Errorf("after the report: got %+v, want %+v", got, want)
	}
}

func TestOneCallMatchesOnce(t *testing.T) {
	f := newFeed(t, badCall)
	for i := range 5 {
		e := ended("1", lost(int64(100+i)))
		e.ID, e.Kind = fmt.Sprint(i), call.Stats
		f.event(e)
	}
	f.wait(time.Minute)
	if diff := cmp.Diff([]string{"bad-call opened 1"}, f.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestLifeOfAnIncident(t *testing.T) {
	f := newFeed(t, `rules:
  - name: low
    when: mos < 3.5
    severity: {critical: mos < 2, warning: mos < 3.5}
    resolve_after: 10m
    cooldown: 5m
`)
	f.event(ended("1", mos(3.2)))
	f.wait(time.Minute).event(ended("2", mos(3.0))) // gathered
	f.wait(29 * time.Second)
	f.wait(time.Second)                               // told
	f.event(ended("3", mos(1.5)))                     // escalated
	f.event(ended("4", mos(4.4)))                     // judged good
	f.wait(9 * time.Minute).wait(time.Minute)         // resolved
	f.event(ended("5", mos(3.1)))                     // within the cooldown
	f.wait(6 * time.Minute).event(ended("6", mos(3))) // a new incident
	want := []string{
		"low opened 1", "low updated 2", "low escalated 3", "low updated 3", "low resolved 3", "low opened 1",
	}
	if diff := cmp.Diff(want, f.steps()); diff != "" {
		t.Fatal(diff)
	}
	closed := f.out[4].Incident
	if closed.Severity != rules.Critical || closed.Worst.Call.CallID != "3" || closed.Opening.Call.CallID != "1" ||
		closed.Resolving == nil || closed.Resolving.Call.CallID != "4" || closed.State != rules.Resolved {
		t.Errorf("resolved incident: severity %s, worst %s, opening %s, resolving %v", closed.Severity, closed.Worst.Call.CallID, closed.Opening.Call.CallID, closed.Resolving)
	}
	if got, want := closed.Counts, (rules.Counts{Matched: 3, Judged: 4}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if closed.ID == f.out[5].Incident.ID {
		t.Error("the second opening has the id of the first")
	}
	if got := closed.ResolvedAt.Sub(f.out[2].At); got != 10*time.Minute {
		t.Errorf("resolved %s after the last match, want 10m", got)
	}
}

func TestWhereAndExcept(t *testing.T) {
	f := newFeed(t, `rules:
  - name: low
    where: direction == "outbound"
    except: {tests: to startsWith "+1555"}
    when: mos < 3.5
    by: [provider, direction]
`)
	outbound := func(to string) func(*call.Event) {
		return func(e *call.Event) { mos(2)(e); e.Direction, e.To = call.Outbound, to }
	}
	f.event(ended("inbound", func(e *call.Event) { mos(2)(e); e.Direction = call.Inbound }))
	f.event(ended("test", outbound("+15550001")))
	f.event(ended("unknown direction", mos(2)))
	if len(f.out) != 0 {
		t.Fatalf("alerted on %s", f.out[0].Incident.Opening.Call.CallID)
	}
	f.event(ended("callee unknown", outbound("")))
	if diff := cmp.Diff([]string{"low opened 1"}, f.steps()); diff != "" {
		t.Errorf("an unknown callee hid the alert: %s", diff)
	}
	if got := f.engine.Healths()[0].Counts; got != (rules.Counts{Matched: 1, Judged: 1, Unjudged: 1}) {
		t.Errorf("counts %+v", got)
	}
}

func TestThreeOfFive(t *testing.T) {
	f := newFeed(t, "rules:\n  - name: live\n    on: [stats]\n    when: jitterMs > 30\n    for: 3 of 5\n")
	for i, jitter := range []float64{40, 10, 40, 10, 10, 40, 10, 40, 40} {
		e := ended("1", func(e *call.Event) { e.Kind, e.ID, e.JitterMs = call.Stats, fmt.Sprint(i), new(jitter) })
		e.OccurredAt = t0.Add(time.Duration(i) * time.Second)
		f.event(e)
		if fired := len(f.out) > 0; fired != (i >= 8) {
			t.Fatalf("after flush %d: fired %v", i, fired)
		}
	}
}

// A sample that carries a field of the condition and whose outcome is unknown did not
// match for certain; an event that carries none is no sample.
func TestUnknownSamplesAreSamples(t *testing.T) {
	const yaml = "rules:\n  - name: live\n    on: [stats]\n    when: packetLossPct > 1 || rttMs > 400 || jitterMs > 30\n    for: 3 of 5\n"
	for _, c := range []struct {
		loss string // of each flush: b bad, u good without a round-trip time, n carries no field of the condition
		want int
	}{
		{"buuuuuuuuubuuuuuuuuub", 0}, {"bubub", 1}, {"bbuuub", 0}, {"buuubbb", 1}, {"bnnnnnbnnnnnb", 1},
	} {
		f := newFeed(t, yaml)
		for i, kind := range c.loss {
			f.event(ended("1", func(e *call.Event) {
				e.Kind, e.ID, e.OccurredAt = call.Stats, fmt.Sprint(i), t0.Add(time.Duration(i)*time.Second)
				switch kind {
				case 'b':
					e.PacketLossPct, e.JitterMs = new(2.0), new(5.0)
				case 'u':
					e.PacketLossPct, e.JitterMs = new(0.0), new(5.0)
				default:
					e.Codec = fmt.Sprint(i)
				}
			}))
		}
		if len(f.out) != c.want {
			t.Errorf("%s: %v, want %d", c.loss, f.steps(), c.want)
		}
	}
}

func TestHoldForADuration(t *testing.T) {
	const yaml = "rules:\n  - name: live\n    on: [stats]\n    when: jitterMs > 30\n    for: 2m\n"
	stats := func(i int, jitter float64) call.Event {
		e := ended("1", func(e *call.Event) { e.Kind, e.ID, e.JitterMs = call.Stats, fmt.Sprint(i), new(jitter) })
		e.OccurredAt = t0.Add(time.Duration(i) * time.Second)
		return e
	}
	f := newFeed(t, yaml).event(stats(1, 40)).wait(119 * time.Second)
	if len(f.out) != 0 {
		t.Fatal("fired before two minutes were over")
	}
	if due := f.engine.NextDeadline(); !due.Equal(t0.Add(2 * time.Minute)) {
		t.Errorf("next deadline %s, want two minutes after the first", due)
	}
	if f.wait(time.Second); len(f.out) != 1 {
		t.Errorf("%d transitions after two minutes, want 1", len(f.out))
	}
	f = newFeed(t, yaml).event(stats(1, 40)).wait(time.Minute).event(stats(2, 10)).wait(2 * time.Minute)
	if len(f.out) != 0 {
		t.Error("fired although the condition had ended in between")
	}
}

// A call that is over before its condition has held for long enough was judged, and did
// not match: it counts, and is no good call either.
func TestCallsThatEndBeforeTheirFor(t *testing.T) {
	stats := func(id string, jitter float64) call.Event {
		return ended(id, func(e *call.Event) { e.Kind, e.ID, e.JitterMs = call.Stats, id+"-stats", new(jitter) })
	}
	for rule, want := range map[string]rules.Counts{
		"on: [stats]":        {Matched: 1, Judged: 2},
		"on: [stats, ended]": {Matched: 1, Judged: 2},
		"on: [stats]\n    where: durationSec == nil": {Matched: 1, Judged: 1}, // the call left before its end
	} {
		f := newFeed(t, "rules:\n  - name: live\n    when: jitterMs > 30\n    for: 2m\n    "+rule+"\n")
		f.event(stats("long", 40)).wait(3 * time.Minute).event(stats("short", 40)).wait(time.Minute)
		f.event(ended("short", func(e *call.Event) { e.DurationSec, e.Final = new(60.0), true })).wait(time.Hour)
		if got := f.engine.Healths()[0].Counts; got != want {
			t.Errorf("%s: %+v, want %+v", rule, got, want)
		}
		last := f.out[len(f.out)-1].Incident
		if last.State != rules.Resolved || last.Counts != want || last.Resolving != nil {
			t.Errorf("%s: the incident says %+v, resolved by %+v", rule, last.Counts, last.Resolving)
		}
	}
	f := newFeed(t, "rules:\n  - name: live\n    when: jitterMs > 30\n    for: 2m\n") // bad only in the report
	f.event(ended("1", nil)).event(ended("1", func(e *call.Event) { e.Kind, e.ID, e.JitterMs = call.Report, "report", new(40.0) }))
	if got := f.engine.Healths()[0].Counts; got != (rules.Counts{Judged: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestShadowAndOff(t *testing.T) {
	f := newFeed(t, "rules:\n  - {name: a, when: mos < 3.5, mode: shadow}\n  - {name: b, when: mos < 3.5, mode: 'off'}\n")
	f.event(ended("1", mos(2)))
	if len(f.out) != 1 || f.out[0].Incident.Mode != rules.Shadow {
		t.Errorf("got %v, want one incident in shadow mode", f.steps())
	}
}

func TestRoutes(t *testing.T) {
	const yaml = `rules:
  - {name: own, when: mos < 1.2, route: {slack: "#own"}}
  - {name: low, when: mos < 3.5, severity: {critical: mos < 2, warning: mos < 3.5}}
routes:
  - {match: provider == "p" and rule == "low", slack: "#all", continue: true}
  - {match: severity == "critical", slack: "#oncall"}
  - {slack: "#rest"}
`
	for v, want := range map[float64][]string{3: {"#all", "#rest"}, 1.5: {"#all", "#oncall"}} {
		f := newFeed(t, yaml).event(ended("1", mos(v)))
		if diff := cmp.Diff(want, f.out[0].Incident.Slack); diff != "" {
			t.Errorf("mos %v: %s", v, diff)
		}
	}
	f := newFeed(t, yaml).event(ended("1", mos(1.1)))
	if diff := cmp.Diff([]string{"#own"}, f.out[0].Incident.Slack); diff != "" {
		t.Error(diff)
	}
}

func TestRetryAfterTheCallIsForgotten(t *testing.T) {
	f := newFeed(t, badCall)
	f.event(ended("1", mos(2))).wait(75 * time.Hour)
	if f.engine.Calls() != 0 {
		t.Fatal("the call is still kept")
	}
	f.event(ended("1", mos(2))).event(ended("2", mos(4)))
	if diff := cmp.Diff([]string{"bad-call opened 1", "bad-call resolved 1"}, f.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestRemovedRuleClosesItsIncident(t *testing.T) {
	f := newFeed(t, badCall)
	f.event(ended("1", mos(2)))
	data, err := f.engine.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	f.engine, err = Restore(compileSet(t, "rules:\n  - {name: other, when: mos < 1.5}\n"), Options{}, data)
	if err != nil {
		t.Fatal(err)
	}
	f.event(ended("2", mos(2)))
	if diff := cmp.Diff([]string{"bad-call opened 1", "bad-call resolved 1"}, f.steps()); diff != "" {
		t.Error(diff)
	}
	if in := f.out[1].Incident; !in.Closed || in.Ended != reasonRemoved {
		t.Errorf("closed %v, ended %q: the incident does not say that nobody watches it any more", in.Closed, in.Ended)
	}
}

// The same events give the same transitions wherever the engine is stopped and
// restored, however few calls are hot.
func TestRestartAnywhere(t *testing.T) {
	set := compileSet(t, `rules:
  - {name: low, when: mos < 3.5, severity: {critical: mos < 2, warning: mos < 3.5}, resolve_after: 2m, cooldown: 1m}
  - {name: held, on: [stats], when: jitterMs > 30, for: 1m, resolve_after: 3m}
  - {name: often, on: [stats], when: jitterMs > 30, for: 2 of 3, by: [provider, direction]}
`)
	rapid.Check(t, func(t *rapid.T) {
		type input struct {
			at    time.Time
			event *call.Event
		}
		var inputs []input
		at := t0
		for i := range rapid.IntRange(1, 40).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "pause")) * time.Second)
			if rapid.IntRange(0, 4).Draw(t, "tick") == 0 {
				inputs = append(inputs, input{at: at})
				continue
			}
			e := ended(fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "call")), func(e *call.Event) {
				e.ID, e.OccurredAt = fmt.Sprint(i), at
				e.Kind = rapid.SampledFrom([]call.Kind{call.Stats, call.Stats, call.Ended, call.Report}).Draw(t, "kind")
				e.Direction = rapid.SampledFrom([]string{"", call.Inbound, call.Outbound}).Draw(t, "direction")
				if rapid.Bool().Draw(t, "has mos") {
					mos(rapid.SampledFrom([]float64{1.5, 3, 4}).Draw(t, "mos"))(e)
				}
				if rapid.Bool().Draw(t, "has jitter") {
					e.JitterMs = new(rapid.SampledFrom([]float64{10, 50}).Draw(t, "jitter"))
				}
			})
			inputs = append(inputs, input{at, &e})
		}
		run := func(hot int, restart func(int) bool) []rules.Transition {
			g := New(set, Options{})
			var out []rules.Transition
			for i, in := range inputs {
				g.st.Calls.Capacity = hot
				if restart(i) {
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
			return out
		}
		want, err := json.Marshal(run(New(set, Options{}).st.Calls.Capacity, func(int) bool { return false }))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := json.Marshal(run(rapid.IntRange(0, 3).Draw(t, "hot"), func(int) bool { return rapid.Bool().Draw(t, "restart") }))
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A transition's incident is a snapshot: what happens later leaves it alone.
func TestTransitionsAreSnapshots(t *testing.T) {
	f := newFeed(t, badCall)
	f.event(ended("1", mos(3.2)))
	before, _ := json.Marshal(f.out[0])
	for i := range 10 {
		f.event(ended(fmt.Sprint("x", i), mos(1+float64(i)/10))).wait(time.Minute)
	}
	if after, _ := json.Marshal(f.out[0]); string(before) != string(after) {
		t.Error(cmp.Diff(string(before), string(after)))
	}
}

// The sentence is that of the worst call: it agrees with the severity.
func TestSummaryOfTheWorstCall(t *testing.T) {
	g := New(compileSet(t, "rules: [{name: a, when: mos < 3.5, severity: {critical: mos < 2, warning: mos < 3.5}, summary: 'mos {{ .Call.mos }}'}]"), Options{})
	for i, mos := range []float64{3.0, 1.5, 3.2} {
		e := ended(string(rune('a'+i)), func(e *call.Event) { e.MOS, e.Final = new(mos), true })
		g.Apply(uint64(i+1), t0.Add(time.Duration(i)*time.Second), &e)
	}
	g.Tick(9, t0.Add(5*time.Minute))
	for _, in := range g.Incidents() {
		if in.Severity != rules.Critical || in.Summary != "mos 1.5" {
			t.Errorf("%s: %s", in.Severity, in.Summary)
		}
	}
}

func BenchmarkApplyShippedRules(b *testing.B) {
	set, problems, err := rulefmt.LoadFile("../../rules.yaml")
	if err != nil || problems.Errors() {
		b.Fatal(err, problems)
	}
	g := New(set, Options{})
	seq := uint64(0)
	var e call.Event
	b.ReportAllocs()
	for b.Loop() { // ten calls a second: some 36,000 are kept
		seq++
		at := t0.Add(time.Duration(seq) * 100 * time.Millisecond)
		e = ended(strconv.FormatUint(seq, 10), func(e *call.Event) {
			mos(4.2)(e)
			lost(3)(e)
			e.Direction, e.Answered, e.EndedAt, e.Final = call.Outbound, new(true), at, true
			e.DurationSec, e.PacketsReceived, e.JitterMs, e.SIPCode = new(60.0), new(int64(3000)), new(4.5), new(int64(200))
		})
		g.Apply(seq, at, &e)
	}
}

// BenchmarkRules is the cost of one event for a thousand rules about calls.
func BenchmarkRules(b *testing.B) {
	yaml := "rules:\n"
	for i := range 1000 {
		yaml += fmt.Sprintf("  - {name: r%d, when: packetsLost > %d || mos < 1.%d}\n", i, 5000+i, 1+i%8)
	}
	g := New(compileSet(b, yaml), Options{})
	seq := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		e := ended("one", func(e *call.Event) { mos(4.2)(e); lost(int64(seq % 100))(e); e.ID = fmt.Sprint(seq) })
		g.Apply(seq, t0, &e)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/rule")
}
