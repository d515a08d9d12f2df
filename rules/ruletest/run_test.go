package ruletest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

// caseOf runs the one test of a rules file.
func caseOf(t *testing.T, yaml string) Result {
	t.Helper()
	set := compileSet(t, yaml)
	for _, r := range set.Rules {
		if len(r.Tests) == 1 {
			return (&Runner{Set: set}).Run(&r.Tests[0])
		}
	}
	t.Fatal("not one test")
	return Result{}
}

func TestCaseStates(t *testing.T) {
	for _, c := range []struct{ name, rule, given, advance, state string }{
		{"a match opens", "when: mos < 3.5", "[{call: {mos: 3}}]", "0s", "firing"},
		{"and resolves", "when: mos < 3.5\n    resolve_after: 10m", "[{call: {mos: 3}}]", "11m", "resolved"},
		{"not a second before", "when: mos < 3.5\n    resolve_after: 10m", "[{call: {mos: 3}}]", "599s", "firing"},
		{"a good call", "when: mos < 3.5", "[{call: {mos: 4}}]", "0s", "inactive"},
		{"an unknown one", "when: mos < 3.5", "[{call: {jitterMs: 4}}]", "0s", "unjudged"},
		{"nothing given", "when: mos < 3.5", "[]", "1h", "none"},
		{"left out by where", "when: mos < 3.5\n    where: durationSec > 5", "[{call: {mos: 2, durationSec: 1}}]", "0s", "none"},
		{"left out by on", "when: mos < 3.5", "[{kind: progress, call: {mos: 2}}]", "0s", "none"},
		{"held for too short", "when: mos < 3.5\n    for: 5m", "[{kind: stats, call: {mos: 2}}]", "4m", "pending"},
		{"held for long enough", "when: mos < 3.5\n    for: 5m", "[{kind: stats, call: {mos: 2}}]", "5m", "firing"},
		{"a call that is over is held no longer", "when: mos < 3.5\n    for: 5m", "[{call: {mos: 2}}]", "5m", "inactive"},
		{"and one that ends before is judged", "when: mos < 3.5\n    on: stats\n    for: 2m", "[{kind: stats, call: {callId: a, mos: 2}}, {kind: ended, after: 60s, call: {callId: a}}]", "5m", "inactive"},
		{"not one that an exception left out meanwhile", "when: mos < 3.5\n    on: stats\n    for: 2m\n    except: {test: durationSec > 50}", "[{kind: stats, call: {callId: a, mos: 2}}, {kind: ended, after: 60s, call: {callId: a, durationSec: 60}}]", "5m", "none"},
		{"a rule that is off is tested all the same", "when: mos < 3.5\n    mode: \"off\"", "[{call: {mos: 2}}]", "0s", "firing"},
		{"an explicit unknown undoes what is usual", "when: status == \"completed\"", "[{call: {status: null}}]", "0s", "unjudged"},
		{"an ended call is completed", "when: status == \"completed\" and answered and final", "[{call: {}}]", "0s", "firing"},
		{"one that failed is not", "when: status == \"completed\"", "[{call: {sipCode: 503}}]", "0s", "unjudged"},
		{"repetitions are calls of their own", "when: mos < 3.5\n    for: 2 of 2", "[{repeat: 2, call: {mos: 2}}]", "0s", "pending"},
		{"unless the call is named", "when: mos < 3.5\n    for: 2 of 2", "[{repeat: 2, call: {callId: a, mos: 2}}]", "0s", "firing"},
		{"the first kind that wakes the rule", "when: mos < 3.5\n    on: [stats]", "[{call: {mos: 2}}]", "0s", "firing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			yaml := "rules:\n  - name: one\n    " + c.rule + "\n    tests:\n      - name: it\n        given: " + c.given +
				"\n        advance: " + c.advance + "\n        expect: {state: "
			if res := caseOf(t, yaml+c.state+"}"); !res.Passed {
				t.Errorf("%+v %s", res.Failed, res.Error)
			}
			for _, other := range rules.CaseStates() {
				if res := caseOf(t, yaml+other+"}"); res.Passed != (other == c.state) {
					t.Errorf("expecting %s: passed %v", other, res.Passed)
				}
			}
		})
	}
}

func TestCaseMismatches(t *testing.T) {
	res := caseOf(t, `
rules:
  - name: one
    when: mos < 3.5
    tests:
      - name: all wrong
        given: [{repeat: 2, call: {mos: 3.1}}]
        expect: {state: resolved, severity: critical, by: {provider: other}, matched: 3, incidents: 2, held: [mos (3.2) < 3.5]}
  - name: two
    when: mos > 3
`)
	want := []Mismatch{
		{"state", "resolved", "inactive"}, // of other's incident, and there is none
		{"severity", "critical", "none"},
		{"by", "provider=other", "provider=example"},
		{"matched", "3", "0"},
		{"incidents", "2", "0"},
		{"held", "mos (3.2) < 3.5", "none"},
	}
	if diff := cmp.Diff(want, res.Failed); diff != "" {
		t.Error(diff)
	}
	if len(res.Calls) != 1 || len(res.Calls[0].Rules) != 1 || res.Calls[0].Call.CallID != "call-1-2" {
		t.Errorf("a failure explains the tested rule on the last call of each step: %+v", res.Calls)
	}
}

func TestCaseTimes(t *testing.T) {
	at := func(given string) []string {
		t.Helper()
		set := compileSet(t, "rules:\n  - name: one\n    when: mos < 3.5\n    tests:\n      - name: it\n        given: "+given+"\n        expect: {state: none}")
		var times []string
		r := set.Rules[0]
		trace := NewTrace(set, engine.Options{})
		if _, err := (&Runner{Set: set}).feed(trace, r, &r.Tests[0]); err != nil {
			return []string{err.Error()}
		}
		for _, c := range trace.Calls() {
			times = append(times, c.Call.EndedAt.Format("02 15:04:05"))
		}
		return times
	}
	for given, want := range map[string][]string{
		"[{call: {}}, {call: {}}]":                                       {"05 12:00:00", "05 12:00:01"},
		"[{repeat: 2, every: 1m, call: {}}, {call: {}}]":                 {"05 12:00:00", "05 12:01:00", "05 12:02:00"},
		"[{call: {}}, {after: 1h, call: {}}]":                            {"05 12:00:00", "05 13:00:00"},
		"[{at: 1m, call: {}}, {at: 3m, call: {}}]":                       {"05 12:01:00", "05 12:03:00"},
		"[{at: \"2026-01-10T08:00:00Z\", call: {}}, {at: 3m, call: {}}]": {"10 08:00:00", "10 08:03:00"},
		"[{call: {endedAt: -10m}}]":                                      {"05 11:50:00"},
		"[{at: 5m, call: {}}, {at: 1m, call: {}}]":                       {"step 2 is to come before the one above it: time does not go back"},
	} {
		if diff := cmp.Diff(want, at(given)); diff != "" {
			t.Errorf("%s: %s", given, diff)
		}
	}
}

func TestCasePayload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rules.yaml")
	yaml := `
rules:
  - name: one
    when: mos < 3.5
    tests:
      - name: from a payload
        given: [{payload: body.txt, provider: acme}]
        expect: {state: firing}
`
	for name, content := range map[string]string{"rules.yaml": yaml, "body.txt": "the body"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	suite, problems, err := rulefmt.LoadSuite(file)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	ended := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var asked []string
	run := Runner{Set: suite.Set, Normalize: func(provider, _ string, body []byte, at time.Time) ([]call.Event, error) {
		asked = append(asked, provider+" "+string(body)+" "+at.Format(time.DateOnly))
		return []call.Event{{
			Identity: call.Identity{ID: "1", Provider: provider, Kind: call.Ended, CallID: "c"},
			Facts:    call.Facts{EndedAt: ended, MOS: new(2.5)},
		}}, nil
	}}
	if res := run.Run(&suite.Cases[0]); !res.Passed {
		t.Errorf("%+v", res)
	}
	if asked[len(asked)-1] != "acme the body 2026-03-01" {
		t.Errorf("the case does not begin when its payload ends: %q", asked)
	}
	run.Normalize = func(string, string, []byte, time.Time) ([]call.Event, error) { return nil, errors.New("odd body") }
	if res := run.Run(&suite.Cases[0]); res.Passed || !strings.Contains(res.Error, "odd body") {
		t.Errorf("%+v", res)
	}
}

func TestSuiteOfItsOwn(t *testing.T) {
	suite, problems, err := rulefmt.LoadSuite("testdata/cases/suite.yaml")
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if len(suite.Cases) != 2 || suite.Cases[0].Rule != "one" || suite.Cases[1].Rule != "two" || suite.Cases[1].Line != 10 {
		t.Fatalf("%+v", suite.Cases)
	}
	for i := range suite.Cases {
		if res := (&Runner{Set: suite.Set}).Run(&suite.Cases[i]); !res.Passed {
			t.Errorf("%+v", res)
		}
	}
	for file, want := range map[string]string{
		"testdata/cases/unknown-rule-bad.yaml":  `unknown-rule.yaml:4:3: error: there is no rule "won" in rules.yaml`,
		"testdata/cases/no-rules-file-bad.yaml": "no such file",
		"testdata/cases/misspelt-bad.yaml":      `a test file has no key "test"`,
	} {
		suite, problems, err := rulefmt.LoadSuite(file)
		if suite != nil || err != nil || !strings.Contains(problems.Error(), strings.ReplaceAll(want, "unknown-rule.yaml", file)) {
			t.Errorf("%s: %v %v", file, err, problems)
		}
	}
}

func TestCoverage(t *testing.T) {
	suite, problems, err := rulefmt.LoadSuite("testdata/cases/coverage.yaml")
	if err != nil || problems.Errors() {
		t.Fatal(err, problems)
	}
	run := Runner{Set: suite.Set, Coverage: NewCoverage(suite.Set)}
	for i := range suite.Cases {
		run.Run(&suite.Cases[i])
	}
	var got []string
	for _, g := range run.Coverage.Gaps() {
		got = append(got, g.String())
	}
	want := []string{
		"one-sided: never false",
		"one-sided: where: durationSec > 5: never false",
		`one-sided: except tests: to == "+15550100": never true, never false`,
		"one-sided: when: mos < 3.5: never false",
		"one-sided: when: jitterMs > 30: never true",
		"one-sided: severity critical: mos < 2: never true",
		"untested: no tests",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The shipped rules pass their tests, which leave no condition one-sided.
func TestShippedRulesPass(t *testing.T) {
	suite, problems, err := rulefmt.LoadSuite("../../rules.yaml")
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	run := Runner{Set: suite.Set, Coverage: NewCoverage(suite.Set)}
	for i := range suite.Cases {
		if res := run.Run(&suite.Cases[i]); !res.Passed {
			t.Errorf("%s: %s: %+v %s", res.Rule, res.Name, res.Failed, res.Error)
		}
	}
	for _, g := range run.Coverage.Gaps() {
		t.Error(g)
	}
}
