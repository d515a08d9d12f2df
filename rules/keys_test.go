package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules"
)

// No two lists of labels give the same key, and a key gives its labels back.
func TestKeysCannotCollide(t *testing.T) {
	r := compileSet(t, "rules: [{name: a, when: mos < 3, by: [agentId, region, sipCode, answered]}]").Rules[0]
	value := rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 2, 'a', '\\', 'é'}), 0, 4, -1)
	seen := map[string][]rules.Label{}
	rapid.Check(t, func(t *rapid.T) {
		e := call.Event{}
		e.AgentID, e.Region = value.Draw(t, "agent"), value.Draw(t, "region")
		if rapid.Bool().Draw(t, "has code") {
			e.SIPCode = new(rapid.Int64Range(-1, 1).Draw(t, "code"))
		}
		if rapid.Bool().Draw(t, "has answered") {
			e.Answered = new(rapid.Bool().Draw(t, "answered"))
		}
		key, labels := string(r.AppendKey(nil, &e)), r.LabelsOf(&e)
		if got := rules.JoinLabels(labels); got != key {
			t.Fatalf("%q is %q by its labels", key, got)
		}
		if diff := cmp.Diff(labels, r.KeyLabels(key)); diff != "" {
			t.Fatal(diff)
		}
		if other, ok := seen[key]; ok && !cmp.Equal(other, labels) {
			t.Fatalf("%v and %v have one key", other, labels)
		}
		seen[key] = labels
	})
}
