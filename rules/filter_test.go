package rules_test

import (
	"testing"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

func TestFilter(t *testing.T) {
	bad, good := &call.Event{}, &call.Event{}
	bad.MOS, good.MOS = new(2.9), new(4.2)
	good.Raw = map[string]any{"queue": "sales"}
	for name, c := range map[string]struct {
		expr  string
		event *call.Event
		want  rules.Truth
		raw   bool
	}{
		"holds":             {`mos < 3.5`, bad, rules.True, false},
		"does not":          {`mos < 3.5`, good, rules.False, false},
		"unknown":           {`jitterMs > 30`, bad, rules.Unknown, false},
		"known either way":  {`jitterMs > 30 || mos < 3.5`, bad, rules.True, false},
		"providers' own":    {`raw.queue == "sales"`, good, rules.True, true},
		"a second of these": {`raw.queue == "sales"`, bad, rules.Unknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			f, problems := rules.ParseFilter(c.expr)
			if problems.Errors() {
				t.Fatal(problems)
			}
			if got := f.Holds(c.event); got != c.want || f.ReadsRaw() != c.raw {
				t.Errorf("%s, reads raw %v; want %s, %v", got, f.ReadsRaw(), c.want, c.raw)
			}
		})
	}
}

func TestFilterRefused(t *testing.T) {
	for expr, want := range map[string]rules.Problem{
		"mos < 3.5 &&\n packetLost > 3": {Line: 2, Column: 2, Code: "unknown-field"},
		"rate(mos < 3.5) > 0.1":         {Line: 1, Column: 1, Code: "window-function"},
		"":                              {Line: 1, Column: 1, Code: "empty-condition"},
	} {
		f, problems := rules.ParseFilter(expr)
		if f != nil || len(problems) == 0 || problems[0].Line != want.Line || problems[0].Column != want.Column || problems[0].Code != want.Code {
			t.Errorf("%q: %+v, want %+v", expr, problems, want)
		}
	}
}

func TestTry(t *testing.T) {
	set, problems := rulefmt.Load("rules.yaml", []byte("define: {poor: mos < 3.5}\nlists: {bad_codecs: [GSM]}\nrules: [{name: a, when: poor}]\n"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	e := &call.Event{}
	e.MOS, e.Codec = new(2.9), "GSM"
	for expr, want := range map[string]rules.Verdict{
		"poor && codec in bad_codecs": rules.VerdictMatched,
		"mos > 4":                     rules.VerdictNotMatched,
		"jitterMs > 30":               rules.VerdictUnjudged,
	} {
		x, problems := set.Try(expr, e)
		if problems.Errors() || x.Verdict != want || len(x.Parts) != 1 || x.Parts[0].Tree.Expr == "" {
			t.Errorf("%s: %+v %v", expr, x, problems)
		}
		if want == rules.VerdictUnjudged && (len(x.Missing) != 1 || x.Missing[0] != "jitterMs") {
			t.Errorf("missing %v", x.Missing)
		}
	}
	if _, problems := set.Try("moss < 3", e); !problems.Errors() || problems[0].Hint == "" {
		t.Errorf("a wrong expression: %v", problems)
	}
}
