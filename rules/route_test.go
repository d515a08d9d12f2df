package rules_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

func TestRoutesNameOutputsAndStorms(t *testing.T) {
	set, problems := rulefmt.Load("rules.yaml", []byte(`
rules:
  - name: own
    when: mos < 3
    route: {outputs: [ops]}
  - name: other
    when: mos < 3.5
routes:
  - match: severity == "critical"
    slack: "#oncall"
    outputs: [am, ops]
    storm: off
    continue: true
  - slack: ["#voice", C0123456789]
    storm: {new: 5, within: 2m}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d := cmp.Diff([]string{"am", "ops"}, set.OutputNames()); d != "" {
		t.Errorf("outputs: -want +got\n%s", d)
	}
	if d := cmp.Diff([]string{"#oncall", "#voice", "C0123456789"}, set.Channels()); d != "" {
		t.Errorf("channels: -want +got\n%s", d)
	}
	five := rules.Storm{New: 5, Within: 2 * time.Minute}
	for channel, want := range map[string]rules.Storm{"#oncall": {}, "#voice": five, "C0123456789": five, "#other": rules.UsualStorm()} {
		if got := set.Storm(channel); got != want {
			t.Errorf("storm of %s: %+v, want %+v", channel, got, want)
		}
	}
}

func TestRouteRefusals(t *testing.T) {
	for routes, code := range map[string]string{
		`[{storm: off}]`:                               "empty-route",
		`[{slack: "#a", storm: never}]`:                "unknown-word",
		`[{slack: "#a", storm: {new: 0}}]`:             "wrong-type",
		`[{slack: "#a", storm: {within: soon}}]`:       "bad-duration",
		`[{slack: "#a", outputs: [Not A Name]}]`:       "bad-output",
		`[{slack: "#a", storm: {new: 3, fast: true}}]`: "unknown-key",
	} {
		_, problems := rulefmt.Load("rules.yaml", []byte("rules:\n  - {name: a, when: mos < 3}\nroutes: "+routes+"\n"))
		if len(problems) != 1 || problems[0].Code != code {
			t.Errorf("%s: got %v, want %s", routes, problems, code)
		}
	}
}
