package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// mark folds what a person does now.
func (f *feed) mark(t testing.TB, a rules.Action) *feed {
	t.Helper()
	data, err := a.JSON()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := rules.ParseAction(data)
	if err != nil {
		t.Fatal(err)
	}
	f.seq++
	f.out = append(f.out, f.engine.Act(f.seq, f.at, stored)...)
	return f
}

func (f *feed) silence(t testing.TB, id, match string, d time.Duration) *feed {
	t.Helper()
	return f.mark(t, rules.Action{Do: rules.AddSilence, By: "ada", Silence: &rules.Silence{ID: id, Match: match, Until: f.at.Add(d)}})
}

// restart continues on an engine restored from a checkpoint, with other rules if
// some are given.
func (f *feed) restart(t testing.TB, set *rules.Set) *feed {
	t.Helper()
	if set == nil {
		set = f.engine.set
	}
	next, _, err := f.engine.Swap(set)
	if err != nil {
		t.Fatal(err)
	}
	f.engine = next
	return f
}

// told are the transitions so far with their reasons.
func (f *feed) told() []string {
	told := []string{}
	for _, t := range f.out {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%s %s %s", t.Incident.Rule, t.Step, t.Reason)))
	}
	return told
}

func TestAcknowledgeOnceAndGiveBack(t *testing.T) {
	f := newFeed(t, badCall).event(ended("1", mos(2)))
	id := f.out[0].Incident.ID
	ack := rules.Action{Do: rules.Acknowledge, By: "ada", Incident: id}
	f.wait(time.Minute).mark(t, ack).mark(t, ack).mark(t, rules.Action{Do: rules.Acknowledge, By: "bob", Incident: id})
	if got, want := f.engine.Incidents()[0].Acknowledged, (&rules.Actor{By: "ada", At: t0.Add(time.Minute)}); !cmp.Equal(got, want) {
		t.Errorf("acknowledged %+v, want %+v", got, want)
	}
	back := rules.Action{Do: rules.Unacknowledge, By: "bob", Incident: id}
	f.mark(t, back).mark(t, back).mark(t, rules.Action{Do: rules.Acknowledge, By: "ada", Incident: "inc_unknown"})
	want := []string{"bad-call opened", "bad-call acknowledged by ada", "bad-call unacknowledged by bob"}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
	if in := f.engine.Incidents()[0]; in.Acknowledged != nil || f.out[1].Incident.Acknowledged == nil {
		t.Errorf("now %+v, in the transition %+v", in.Acknowledged, f.out[1].Incident.Acknowledged)
	}
}

func TestSilenceOfAnOpenIncident(t *testing.T) {
	f := newFeed(t, badCall).event(ended("1", mos(2)))
	f.silence(t, "s1", `rule == "bad-call"`, time.Minute).silence(t, "s1", `rule == "bad-call"`, time.Hour)
	if due := f.engine.NextDeadline(); !due.Equal(t0.Add(time.Minute)) {
		t.Errorf("next deadline %s, want the end of the silence", due)
	}
	f.event(ended("2", mos(2))).wait(59 * time.Second)
	if in := f.engine.Incidents()[0]; in.Silence == nil || in.Counts.Matched != 2 {
		t.Errorf("a silenced incident goes on counting: %d matched, silence %v", in.Counts.Matched, in.Silence)
	}
	f.wait(time.Second)
	want := []string{
		"bad-call opened", "bad-call silenced until 2026-11-01T12:01:00Z by ada",
		"bad-call updated 2 calls matched", "bad-call unsilenced the silence is over",
	}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
}

func TestSilencedFromTheStart(t *testing.T) {
	f := newFeed(t, badCall).silence(t, "s1", `provider == "p" && severity == "warning"`, time.Hour)
	f.event(ended("1", mos(2))).wait(40 * time.Minute)
	if diff := cmp.Diff([]string{"bad-call opened", "bad-call resolved no further match for 30m"}, f.told()); diff != "" {
		t.Fatal(diff)
	}
	if in := f.out[1].Incident; in.Closed || in.Ended != "no further match for 30m" {
		t.Errorf("closed %v, ended %q", in.Closed, in.Ended)
	}
	for _, tr := range f.out {
		if tr.Incident.Silence == nil || tr.Incident.Silence.ID != "s1" {
			t.Errorf("%s without its silence", tr.Step)
		}
	}
	if f.wait(21 * time.Minute).event(ended("2", mos(2))); f.out[2].Incident.Silence != nil {
		t.Error("silenced after the silence was over")
	}
}

func TestTheLongestSilenceCounts(t *testing.T) {
	f := newFeed(t, badCall).event(ended("1", mos(2)))
	f.silence(t, "long", `rule == "bad-call"`, 10*time.Minute).silence(t, "short", `provider == "p"`, 5*time.Minute)
	f.silence(t, "other", `provider == "q"`, time.Hour).silence(t, "longer", `provider == "p"`, 15*time.Minute)
	f.mark(t, rules.Action{Do: rules.ExpireSilence, By: "bob", Silence: &rules.Silence{ID: "longer"}})
	f.wait(10 * time.Minute)
	want := []string{
		"bad-call opened", "bad-call silenced until 2026-11-01T12:10:00Z by ada", "bad-call silenced until 2026-11-01T12:15:00Z by ada",
		"bad-call silenced until 2026-11-01T12:10:00Z by ada", "bad-call unsilenced the silence is over",
	}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
}

func TestExpiredSilenceDoesNotComeAgain(t *testing.T) {
	f := newFeed(t, badCall).event(ended("1", mos(2))).silence(t, "s1", `rule == "bad-call"`, time.Hour)
	f.mark(t, rules.Action{Do: rules.ExpireSilence, By: "bob", Silence: &rules.Silence{ID: "s1"}}).restart(t, nil)
	f.silence(t, "s1", `rule == "bad-call"`, time.Hour) // a click that comes late
	want := []string{"bad-call opened", "bad-call silenced until 2026-11-01T13:00:00Z by ada", "bad-call unsilenced ended by bob"}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
	if got := f.engine.Silences(); len(got) != 0 {
		t.Errorf("in force: %v", got)
	}
}

func TestEscalationLeavesASilence(t *testing.T) {
	f := newFeed(t, "rules:\n  - {name: low, when: mos < 3.5, severity: {critical: mos < 2, warning: mos < 3.5}}\n")
	f.silence(t, "s1", `severity == "warning"`, time.Hour).event(ended("1", mos(3))).event(ended("2", mos(1.5)))
	want := []string{"low opened", "low escalated mos (1.5) < 2", "low unsilenced it escalated"}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
}

// What the reason of an escalation says of a call goes with the call.
func TestErasureOfAnEscalation(t *testing.T) {
	f := newFeed(t, "rules:\n  - name: low\n    when: mos < 3.5\n    severity: {critical: mos < 2 && from startsWith '+49'}\n")
	f.event(ended("1", mos(3))).event(ended("2", func(e *call.Event) { mos(1.5)(e); e.From = "+49301234567" }))
	tr := f.out[len(f.out)-1]
	if want := `mos (1.5) < 2, from ("+49301234567") startsWith "+49"`; tr.Reason != want {
		t.Fatalf("%q, want %q", tr.Reason, want)
	}
	if !tr.Forget(tr.Incident.Latest.Call.Key()) || tr.Reason != `mos < 2, from startsWith "+49"` {
		t.Errorf("%q is left", tr.Reason)
	}
}

func TestSilencesOfTheFile(t *testing.T) {
	const silenced = badCall + "silences:\n  - {match: provider == \"p\", until: 2026-11-01T13:00:00Z, comment: number port}\n"
	f := newFeed(t, badCall).event(ended("1", mos(2))).restart(t, compileSet(t, silenced)).wait(time.Second)
	f.restart(t, nil).wait(time.Second).restart(t, compileSet(t, badCall)).wait(time.Second)
	want := []string{
		"bad-call opened", "bad-call silenced until 2026-11-01T13:00:00Z: number port",
		"bad-call unsilenced it is no longer in the rules file",
	}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
	set := compileSet(t, silenced)
	if over := set.Expired(t0); len(over) != 0 {
		t.Errorf("expired: %v", over)
	}
	over := set.Expired(t0.Add(time.Hour))
	if len(over) != 1 || over.Errors() || over[0].Line != 5 || over[0].Code != "expired-silence" {
		t.Errorf("expired after its end: %+v", over)
	}
	in := f.out[0].Incident
	if s := set.Silenced(&in, t0); s == nil || !s.InFile() {
		t.Errorf("silence of the file: %+v", s)
	}
}

// A silence for an incident covers the next of its rule and key, and no other.
func TestMatchFor(t *testing.T) {
	const yaml = "rules:\n  - {name: a, when: mos < 3.5, by: [provider, from, sipCode, answered, agentId]}\n  - {name: b, when: mos < 3.5, by: [provider, from]}\n"
	bad := func(id, from string) call.Event {
		return ended(id, func(e *call.Event) { mos(2)(e); e.From, e.SIPCode, e.Answered = from, new(int64(503)), new(true) })
	}
	const hostile = "\" || true || \"\\\n\u2028<!channel>"
	f := newFeed(t, yaml).event(bad("1", hostile))
	match := rules.MatchFor(&f.out[0].Incident)
	f = newFeed(t, yaml).silence(t, "s1", match, time.Hour).event(bad("1", hostile)).event(bad("2", "x"))
	var covered []string
	for _, tr := range f.out {
		if tr.Incident.Silence != nil {
			covered = append(covered, tr.Incident.Rule+" "+tr.Incident.Opening.Call.CallID)
		}
	}
	if diff := cmp.Diff([]string{"a 1"}, covered); diff != "" || len(f.out) != 4 {
		t.Errorf("%s\nmatch: %s", diff, match)
	}
	absent := rules.Incident{ID: "inc_1", Rule: "no-calls", By: []rules.Label{{Name: "provider", Value: "p"}, {Name: "sipCode", Value: "503"}, {Name: "answered", Value: "true"}, {Name: "region", Value: ""}}}
	silence := rules.CompiledSilence{Silence: rules.Silence{Match: rules.MatchFor(&absent), Until: t0.Add(time.Hour)}}
	if !silence.Compile(nil) || rules.SilencedBy(&absent, t0, []rules.CompiledSilence{silence}) == nil {
		t.Errorf("an incident without a call is not matched by %s", rules.MatchFor(&absent))
	}
}

func TestActionsRefused(t *testing.T) {
	good := &rules.Silence{ID: "s", Match: `rule == "a"`, Until: t0}
	for name, a := range map[string]rules.Action{
		"nobody":         {Do: rules.Acknowledge, Incident: "inc_1"},
		"two lines":      {Do: rules.Acknowledge, Incident: "inc_1", By: "a\nb"},
		"no incident":    {Do: rules.Unacknowledge, By: "a"},
		"no silence":     {Do: rules.AddSilence, By: "a"},
		"no end":         {Do: rules.AddSilence, By: "a", Silence: &rules.Silence{ID: "s", Match: `rule == "a"`}},
		"no condition":   {Do: rules.AddSilence, By: "a", Silence: &rules.Silence{ID: "s", Until: t0}},
		"bad condition":  {Do: rules.AddSilence, By: "a", Silence: &rules.Silence{ID: "s", Match: "rule ==", Until: t0}},
		"no note":        {Do: rules.AddNote, By: "a", Incident: "i", Text: " "},
		"long note":      {Do: rules.AddNote, By: "a", Incident: "i", Text: strings.Repeat("x", 501)},
		"note of lines":  {Do: rules.AddNote, By: "a", Incident: "i", Text: "a\nb"},
		"note of none":   {Do: rules.AddNote, By: "a", Text: "a"},
		"long name":      {Do: rules.Assign, By: "a", Incident: "i", To: strings.Repeat("x", 201)},
		"of the file":    {Do: rules.ExpireSilence, By: "a", Silence: &rules.Silence{ID: "file_1"}},
		"unknown doing":  {Do: "dance", By: "a"},
		"long comment":   {Do: rules.AddSilence, By: "a", Silence: &rules.Silence{ID: "s", Match: good.Match, Until: t0, Comment: strings.Repeat("x", 2000)}},
		"id with spaces": {Do: rules.AddSilence, By: "a", Silence: &rules.Silence{ID: "a b", Match: good.Match, Until: t0}},
	} {
		if _, err := a.JSON(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := rules.ParseAction([]byte(`{"do":"acknowledge","by":"a","incident":"i","more":1}`)); err == nil {
		t.Error("an unknown member was accepted")
	}
	if _, err := (rules.Action{Do: rules.AddSilence, By: "a", Silence: good}).JSON(); err != nil {
		t.Error(err)
	}
}

// An incident is assigned and noted: bounded, once for a request that is repeated, and
// the same after a restart.
func TestAssignAndNote(t *testing.T) {
	t.Parallel()
	f := newFeed(t, badCall).event(ended("1", mos(2)))
	id := f.out[0].Incident.ID
	assign := func(to string) { f.mark(t, rules.Action{Do: rules.Assign, By: "ada", Incident: id, To: to}) }
	note := func(text string) { f.mark(t, rules.Action{Do: rules.AddNote, By: "bob", Incident: id, Text: text}) }
	f.wait(time.Minute)
	assign("bob")
	assign("bob")
	note("the carrier knows")
	note("the carrier knows")
	f.restart(t, nil)
	in := f.engine.Incidents()[0]
	if want := (&rules.Assignment{To: "bob", By: "ada", At: t0.Add(time.Minute)}); !cmp.Equal(in.Assigned, want) {
		t.Errorf("assigned %+v, want %+v", in.Assigned, want)
	}
	if want := []rules.Note{{Text: "the carrier knows", By: "bob", At: t0.Add(time.Minute)}}; !cmp.Equal(in.Notes, want) {
		t.Errorf("notes %+v, want %+v", in.Notes, want)
	}
	assign("")
	f.mark(t, rules.Action{Do: rules.AddNote, By: "bob", Incident: "inc_unknown", Text: "lost"})
	want := []string{"bad-call opened", "bad-call assigned to bob, by ada", "bad-call noted by bob", "bad-call assigned to nobody, by ada"}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
	for i := range 30 {
		note(fmt.Sprint(i))
	}
	in = f.engine.Incidents()[0]
	if n := len(in.Notes); in.Assigned != nil || n != 20 || in.Notes[n-1].Text != "29" || len(f.out[2].Incident.Notes) != 1 {
		t.Errorf("assigned %+v, %d notes; %+v", in.Assigned, n, f.out[2].Incident.Notes)
	}
	// What the notes say of an erased call's numbers goes with the call.
	in.Notes = []rules.Note{{Text: "+49 (30) 123-4567 called twice, 4930 1234567 as well, not 12345"}}
	in.Opening.Call.From = "+49301234567"
	in.Forget(in.Opening.Call.Key())
	if got, want := in.Notes[0].Text, "[erased] called twice, [erased] as well, not 12345"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A silence made at run time can name what a table gives, and is over when the rules file
// has the table no more.
func TestSilencesOfLookups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "carriers.csv"), []byte("prefix,carrier\n1,att\n49,telekom\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(text string) *rules.Set {
		file := filepath.Join(dir, "rules.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, problems, err := rulefmt.LoadFile(file)
		if err != nil || problems.Errors() {
			t.Fatal(err, problems)
		}
		return set
	}
	const rule = "rules: [{name: bad-call, when: mos < 3.5, by: [provider]}, {name: of-carrier, when: mos < 3, by: [%s]}]\n"
	with := load("lookup: {carrier: {file: carriers.csv, of: to, match: prefix}}\n" + fmt.Sprintf(rule, "carrier"))
	match := `carrier == "telekom"`
	if err := with.CheckSilence(&rules.Silence{Match: match}); err != nil {
		t.Error(err)
	}
	if err := with.CheckSilence(&rules.Silence{Match: "carier == nil"}); err == nil {
		t.Error("a name that is no table is taken")
	}
	if err := with.CheckSilence(&rules.Silence{Match: `rule == "bad-cal"`}); err == nil || !strings.Contains(err.Error(), `"bad-call"`) {
		t.Errorf("a silence of a rule that is not there: %v", err)
	}
	f := &feed{engine: New(with, Options{}), at: t0}
	f.event(ended("1", func(e *call.Event) { e.MOS, e.To = new(2.0), "+4930123" }))
	if got, want := rules.MatchFor(&f.out[1].Incident), `rule == "of-carrier" && `+match; got != want {
		t.Errorf("the silence of one incident is %s, want %s", got, want)
	}
	f.silence(t, "s1", match, time.Hour)
	f.event(ended("2", func(e *call.Event) { e.MOS, e.To = new(2.0), "+1555" }))
	for _, in := range f.engine.Incidents() {
		if silenced := in.Silence != nil; silenced != (in.Rule == "bad-call" || in.By[0].Value == "telekom") {
			t.Errorf("%s of %v: silenced %v", in.Rule, in.By, silenced)
		}
	}
	f.restart(t, nil)
	if n := len(f.engine.Silences()); n != 1 {
		t.Errorf("%d silences after a restart", n)
	}
	f.restart(t, load(fmt.Sprintf(rule, "region"))).wait(time.Minute).event(ended("3", mos(4)))
	if n := len(f.engine.Silences()); n != 0 {
		t.Errorf("%d silences without the table", n)
	}
	for _, in := range f.engine.Incidents() {
		if in.Silence != nil {
			t.Errorf("%s is silenced still", in.Rule)
		}
	}
}

// The same events, ticks and marks give the same transitions wherever the engine
// is stopped and restored.
func TestMarksSurviveRestartAnywhere(t *testing.T) {
	set := compileSet(t, `rules:
  - {name: low, when: mos < 3.5, severity: {critical: mos < 2, warning: mos < 3.5}, by: [direction], resolve_after: 3m, cooldown: 1m}
  - {name: lossy, when: packetsLost > 50, by: [], resolve_after: 2m, repeat: 1m}
  - {name: share, over: 2m, when: rate(mos < 3.5) > 0.3, severity: {critical: rate(mos < 3.5) > 0.8, warning: rate(mos < 3.5) > 0.3}, settle: 10s, by: [direction], resolve_after: 30s, repeat: 1m, adopts: [low]}
  - {name: quiet, absent: 1m, by: [direction]}
silences:
  - {match: direction == "inbound" && severity == "warning", until: 2026-11-01T12:05:00Z}
`)
	rapid.Check(t, func(t *rapid.T) {
		var inputs []func(*Engine, uint64) []rules.Transition
		at := t0
		for i := range rapid.IntRange(1, 40).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "pause")) * time.Second)
			now := at
			switch rapid.IntRange(0, 5).Draw(t, "input") {
			case 0:
				inputs = append(inputs, func(g *Engine, seq uint64) []rules.Transition { return g.Tick(seq, now) })
			case 1:
				a := rules.Action{Do: rapid.SampledFrom([]rules.Doing{rules.Acknowledge, rules.Unacknowledge}).Draw(t, "do"), By: "ada"}
				n := rapid.IntRange(0, 2).Draw(t, "which")
				inputs = append(inputs, func(g *Engine, seq uint64) []rules.Transition {
					if open := g.Incidents(); n < len(open) {
						a.Incident = open[n].ID
					}
					return g.Act(seq, now, a)
				})
			case 2:
				a := rules.Action{Do: rapid.SampledFrom([]rules.Doing{rules.AddSilence, rules.AddSilence, rules.ExpireSilence}).Draw(t, "do"), By: "bob", Silence: &rules.Silence{
					ID:    fmt.Sprint("s", rapid.IntRange(0, 3).Draw(t, "silence")),
					Match: rapid.SampledFrom([]string{`rule == "low"`, `direction == "outbound"`, `severity == "critical"`, `mos < 2`}).Draw(t, "match"),
					Until: now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "for")) * time.Second),
				}}
				inputs = append(inputs, func(g *Engine, seq uint64) []rules.Transition { return g.Act(seq, now, a) })
			default:
				e := ended(fmt.Sprint(rapid.IntRange(0, 8).Draw(t, "call")), func(e *call.Event) {
					e.ID, e.OccurredAt = fmt.Sprint(i), now
					e.Direction = rapid.SampledFrom([]string{"", call.Inbound, call.Outbound}).Draw(t, "direction")
					mos(rapid.SampledFrom([]float64{1.5, 3, 4}).Draw(t, "mos"))(e)
					lost(rapid.SampledFrom([]int64{0, 100}).Draw(t, "lost"))(e)
				})
				inputs = append(inputs, func(g *Engine, seq uint64) []rules.Transition { return g.Apply(seq, now, &e) })
			}
		}
		run := func(restart func() bool) string {
			g := New(set, Options{})
			var out []rules.Transition
			for i, input := range inputs {
				if restart() {
					next, _, err := g.Swap(set)
					if err != nil {
						t.Fatal(err)
					}
					g = next
				}
				out = append(out, input(g, uint64(i+1))...)
			}
			data, _ := json.MarshalIndent(out, "", " ")
			return string(data)
		}
		want := run(func() bool { return false })
		if diff := cmp.Diff(want, run(func() bool { return rapid.Bool().Draw(t, "restart") })); diff != "" {
			t.Fatal(diff)
		}
	})
}
