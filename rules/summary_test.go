package rules_test

import (
	"strings"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/rulefmt"
	"callwatch/rules/summary"
)

// renderedSummary returns the summary of an incident that one call opened.
func renderedSummary(t *testing.T, rule string) string {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte("rules:\n  - name: a\n    "+strings.ReplaceAll(rule, "\n", "\n    ")))
	if set == nil {
		t.Fatal(problems.Error())
	}
	r := set.Rules[0]
	e := call.Event{
		Identity: call.Identity{Provider: "p", CallID: "c1", Kind: call.Ended},
		Facts: call.Facts{
			From: "+4915112345678", MOS: new(2.0), PacketLossPct: new(0.6), RTTMs: new(450.0), DurationSec: new(75.0),
		},
	}
	facts := &condition.Facts{}
	facts.Load(&e)
	ev := rules.Evidence{At: t0, Severity: r.Severity, Call: e, Conditions: r.When.Explain(facts)}
	return r.Summarize(&rules.Incident{
		Rule: r.Name, By: r.LabelsOf(&e), State: rules.Firing, Severity: r.Severity, OpenedAt: t0, UpdatedAt: t0,
		Counts: rules.Counts{Matched: 1, Judged: 1}, Opening: ev, Latest: ev, Worst: ev,
	})
}

func TestSummaries(t *testing.T) {
	for text, want := range map[string]string{
		"codec {{ .Call.codec }}":                                      "codec unknown",
		"{{ .By.provider }}, {{ .By.region }}":                         "p, unknown",
		"{{ if .Call.codec }}{{ .Call.codec }}{{ else }}none{{ end }}": "none",
		"open for {{ dur .Since }}":                                    "open for 0s",
		"open for {{ .Since }}":                                        "open for 0s",
		`since {{ .Since.Format "15:04" }}`:                            "since " + t0.Format("15:04"),
		"{{ pct .Call.packetLossPct }} lost":                           "0.6 % lost",
		"{{ pct .Call.jitterMs }}, {{ num .Call.jitterMs }}":           "unknown, unknown",
		"{{ mask .Call.from }} to {{ mask .Call.to }}":                 "+4••••••••••78 to unknown",
		"{{ mask .By.provider }} {{ mask .Call.mos }}":                 "• •",
		"{{ dur .Call.durationSec }}, {{ dur .Call.rttMs }}":           "1m 15s, 450 ms",
		"{{ dur .Call.codec }}, {{ dur .Call.answered }}":              "unknown, unknown",
		"{{ num .Value }} and {{ .Value }}":                            "2 and 2",
		"{{ with .Call }}{{ .mos }}{{ end }} {{ $.Call.mos }}":         "2 2",
		"{{ if lt .Call.mos 3.0 }}bad{{ end }}":                        "bad",
		"{{ .Counts.Matched }} {{ .Severity }} {{ .Rule }}":            "1 warning a",
		`{{ index .Call "mos" }} {{ printf "%.1f" .Call.mos }}`:        "2 2.0",
	} {
		if got := renderedSummary(t, "by: [provider, region]\nwhen: mos < 3.5\nsummary: '"+text+"'"); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// What pct makes of the value depends on what the condition compares.
func TestSummaryValueHasTheUnitOfItsCondition(t *testing.T) {
	if got := renderedSummary(t, "when: packetLossPct > 0.5\nsummary: '{{ pct .Value }}'"); got != "0.6 %" {
		t.Error(got)
	}
}

// Summaries that name what there is not, or that could grow, are refused at once.
func TestSummariesRefused(t *testing.T) {
	print8 := "{{ $x := .Rule }}" + strings.Repeat(`{{ $x = print $x $x $x $x $x $x $x $x }}`, 40) + "{{ $x }}"
	for name, c := range map[string]struct{ summary, want string }{
		"field":          {"{{ .Call.codex }}", "did you mean codec"},
		"field of with":  {"{{ with .Call }}{{ .codex }}{{ end }}", "codex"},
		"dead branch":    {"{{ if .Call.mos }}ok{{ else }}{{ .Call.codex }}{{ end }}", "codex"},
		"root":           {"{{ .Call.mos }} {{ if .Call.codec }}{{ .Valu }}{{ end }}", ".Valu"},
		"dollar":         {"{{ $.Call.codex }}", "codex"},
		"index":          {`{{ index .Call "codex" }}`, "codex"},
		"member":         {"{{ .Call.mos.value }}", "no member"},
		"member of rule": {"{{ .Rule.Name }}", "no member"},
		"label":          {"{{ .By.region }}", "not by"},
		"counts":         {"{{ .Counts.Bad }}", "Bad"},
		"function":       {"{{ html .Rule }}", "not part of summaries"},
		"range":          {"{{ range .Call.tags }}{{ . }}{{ end }}", "not supported"},
		"define":         {`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, "not supported"},
		"width":          {`{{ printf "%900000d" 1 }}`, "widths"},
		"star":           {`{{ printf "%*d" 900000 1 }}`, "widths"},
		"long":           {strings.Repeat("x", summary.MaxSource+1), "bytes"},
		"unclosed":       {"{{ .Call.mos", "unclosed"},
	} {
		_, problems := rulefmt.Load("rules.yaml", []byte("rules:\n  - name: a\n    when: mos < 3\n    summary: '"+c.summary+"'\n"))
		if !problems.Errors() || problems[0].Code != "bad-summary" || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%s: %v, want %q", name, problems, c.want)
		}
	}
	begun := time.Now()
	if got := renderedSummary(t, "when: mos < 3.5\nsummary: '"+print8+"'"); len(got) > summary.MaxText || time.Since(begun) > slack*time.Second {
		t.Errorf("%d bytes after %s", len(got), time.Since(begun))
	}
}
