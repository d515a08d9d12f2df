package rules_test

import (
	"slices"
	"strings"
	"testing"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

func TestMentions(t *testing.T) {
	set := compileSet(t, `
rules:
  - {name: own, when: mos < 3, route: {slack: "#a", mention: {critical: [S0123ABCD, here], warning: U0123ABCD}}}
  - {name: quiet, when: mos < 3, route: {slack: "#a"}}
  - {name: routed, when: mos < 3}
routes:
  - {match: severity == "critical", slack: "#oncall", mention: [channel, voice team], continue: true}
  - {slack: "#rest", mention: [channel, U0123ABCD]}
`)
	for _, c := range []struct {
		rule     string
		severity rules.Severity
		want     []string
	}{
		{"own", rules.Critical, []string{"S0123ABCD", "here"}},
		{"own", rules.Warning, []string{"U0123ABCD"}},
		{"own", rules.Info, nil},
		{"quiet", rules.Critical, nil},
		{"routed", rules.Critical, []string{"channel", "voice team", "U0123ABCD"}},
		{"routed", rules.Info, []string{"channel", "U0123ABCD"}},
	} {
		if got := set.Mentions(set.Rule(c.rule), &rules.Incident{Rule: c.rule, Severity: c.severity}); !slices.Equal(got, c.want) {
			t.Errorf("%s %s calls %q, want %q", c.rule, c.severity, got, c.want)
		}
	}
	for _, bad := range []string{`""`, `"a\nb"`, strings.Repeat("x", 81), "{urgent: here}", "[" + strings.Repeat("here, ", 10) + "channel]"} {
		if set, _ := rulefmt.Load("rules.yaml", []byte("rules: [{name: a, when: mos < 3, route: {slack: \"#a\", mention: "+bad+"}}]")); set != nil {
			t.Errorf("mention: %.40s is taken", bad)
		}
	}
}
