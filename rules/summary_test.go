package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"callwatch/call"
)

// renderedSummary is the summary of an incident that one call opened.
func renderedSummary(t *testing.T, rule string) string {
	t.Helper()
	set, problems := Load("rules.yaml", []byte("rules:\n  - name: a\n    "+strings.ReplaceAll(rule, "\n", "\n    ")))
	if set == nil {
		t.Fatal(problems.Error())
	}
	g := NewEngine(set, Options{})
	e := ended("c1", func(e *call.Event) {
		e.From, e.MOS, e.PacketLossPct, e.RTTMs, e.DurationSec, e.Final = "+4915112345678", new(2.0), new(0.6), new(450.0), new(75.0), true
	})
	for _, tr := range g.Apply(1, t0, &e) {
		if tr.Step == StepOpened {
			return tr.Incident.Summary
		}
	}
	t.Fatal("no incident was opened")
	return ""
}

func TestSummaries(t *testing.T) {
	for summary, want := range map[string]string{
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
		if got := renderedSummary(t, "by: [provider, region]\nwhen: mos < 3.5\nsummary: '"+summary+"'"); got != want {
			t.Errorf("%s: %q, want %q", summary, got, want)
		}
	}
}

// What pct makes of the value depends on what the condition compares.
func TestSummaryValueHasTheUnitOfItsCondition(t *testing.T) {
	for name, want := range map[string]string{
		"packetLossPct": "%", "avg(packetLossPct)": "%", "prev(p95(packetLossPct))": "%", "rttMs": "ms", "mos": "MOS",
		"rate(mos < 3.5)": shareUnit, "prev(rate(packetLossPct > 5))": shareUnit, "count(mos < 3)": "", "packetsLost / packetsReceived": "",
	} {
		if got := unitOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := renderedSummary(t, "when: packetLossPct > 0.5\nsummary: '{{ pct .Value }}'"); got != "0.6 %" {
		t.Error(got)
	}
	if percent(share(1.0)) != "100 %" || percent(0.3) != "30 %" || percent(inPercent(1)) != "1 %" {
		t.Error(percent(share(1.0)), percent(0.3), percent(inPercent(1)))
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
		"long":           {strings.Repeat("x", maxSummarySource+1), "bytes"},
		"unclosed":       {"{{ .Call.mos", "unclosed"},
	} {
		_, problems := Load("rules.yaml", []byte("rules:\n  - name: a\n    when: mos < 3\n    summary: '"+c.summary+"'\n"))
		if !problems.Errors() || problems[0].Code != "bad-summary" || !strings.Contains(problems[0].Message, c.want) {
			t.Errorf("%s: %v, want %q", name, problems, c.want)
		}
	}
	begun := time.Now()
	if got := renderedSummary(t, "when: mos < 3.5\nsummary: '"+print8+"'"); len(got) > maxSummary || time.Since(begun) > slack*time.Second {
		t.Errorf("%d bytes after %s", len(got), time.Since(begun))
	}
}

// The sentence is that of the worst call: it agrees with the severity.
func TestSummaryOfTheWorstCall(t *testing.T) {
	g := NewEngine(compileSet(t, "rules: [{name: a, when: mos < 3.5, severity: {critical: mos < 2, warning: mos < 3.5}, summary: 'mos {{ .Call.mos }}'}]"), Options{})
	for i, mos := range []float64{3.0, 1.5, 3.2} {
		e := ended(string(rune('a'+i)), func(e *call.Event) { e.MOS, e.Final = new(mos), true })
		g.Apply(uint64(i+1), t0.Add(time.Duration(i)*time.Second), &e)
	}
	g.Tick(9, t0.Add(5*time.Minute))
	for _, in := range g.Incidents() {
		if in.Severity != Critical || in.Summary != "mos 1.5" {
			t.Errorf("%s: %s", in.Severity, in.Summary)
		}
	}
}

// The sentence tells since when the condition holds, which may be long before the
// incident opened.
func TestSinceIsWhenTheConditionBeganToHold(t *testing.T) {
	bad := func(e *call.Event) { e.MOS = new(2.0) }
	for name, c := range map[string]struct {
		rule string
		feed func(f *feed)
		want string // .Since as time and as duration, at the opening
	}{
		"at once":           {"over: 10m, when: calls > 2", func(f *feed) { f.calls(3, time.Minute, nil) }, "12:03 0s"},
		"for a while":       {"over: 1h, when: calls > 2, for: 5m", func(f *feed) { f.calls(9, time.Minute, nil) }, "12:03 5m"},
		"for, twice":        {"over: 3m, when: calls > 1, for: 3m", func(f *feed) { f.calls(2, time.Minute, nil).wait(9*time.Minute).calls(9, time.Minute, nil) }, "12:13 3m"},
		"before hours":      {`over: 6h, when: calls > 1, active: {hours: "14:30-15:00"}`, func(f *feed) { f.calls(2, time.Minute, nil).wait(3 * time.Hour) }, "12:02 2h 28m"},
		"in a cooldown":     {"over: 1m, when: calls > 0, no_data: resolve, resolve_after: 1m, cooldown: 30m", func(f *feed) { f.calls(1, time.Minute, nil).wait(4*time.Minute).calls(60, 30*time.Second, nil) }, "12:05 27m 30s"},
		"absence":           {"absent: 30m", func(f *feed) { f.calls(1, time.Minute, nil).wait(2 * time.Hour) }, "12:01 30m"},
		"absence, no hours": {`absent: 30m, active: {hours: "13:00-15:00"}`, func(f *feed) { f.calls(1, time.Minute, nil).wait(2 * time.Hour) }, "12:01 1h 29m"},
		"one call":          {"when: mos < 3.5", func(f *feed) { f.calls(1, time.Minute, bad) }, "12:01 0s"},
		"during a call": {"when: mos < 3.5, for: 5m, on: [stats, ended]", func(f *feed) {
			for i := range 8 {
				f.wait(time.Minute)
				e := ended("1", bad)
				e.ID, e.Kind, e.RTTMs = fmt.Sprint(i), call.Stats, new(float64(i))
				f.event(e)
			}
		}, "12:01 5m"},
	} {
		f := newFeed(t, `rules: [{name: a, summary: '{{ .Since.Format "15:04" }} {{ dur .Since }}', `+c.rule+"}]")
		c.feed(f)
		var opened *Incident
		for i := range f.out {
			if f.out[i].Step == StepOpened {
				opened = &f.out[i].Incident // the latest
			}
		}
		if opened == nil {
			t.Errorf("%s: nothing opened: %v", name, f.steps())
			continue
		}
		if opened.Summary != c.want {
			t.Errorf("%s: %q, want %q", name, opened.Summary, c.want)
		}
		if want := strings.HasSuffix(c.want, " 0s"); opened.Since.IsZero() != want {
			t.Errorf("%s: since %v, opened at %v", name, opened.Since, opened.OpenedAt)
		}
	}
}
