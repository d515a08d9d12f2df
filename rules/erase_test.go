package rules_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"callwatch/call"
	"callwatch/rules"
)

// A transition whose call is erased names neither its parties nor its values, whatever
// said them and however they are written.
func TestTransitionForgetsACall(t *testing.T) {
	e := rules.Evidence{
		Call:       call.Event{Identity: call.Identity{Provider: "p", CallID: "1"}, Facts: call.Facts{From: "+14155550123", To: "1001"}},
		Conditions: []rules.Condition{{Expr: "mos < 2.5", Text: "mos (1.94) < 2.5", Truth: rules.True}},
	}
	made := rules.Transition{Reason: "mos (1.94) < 2.5, of +1 (415) 555-0123", Incident: rules.Incident{
		Opening: e, Latest: e, Worst: e, Summary: "bad calls of +14155550123", Ended: "ended by 001 415 555 0123",
		Notes: []rules.Note{{Text: "called 415-555-0123"}},
	}}
	if !made.Forget(e.Call.Key()) {
		t.Fatal("nothing was found")
	}
	said, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if left := regexp.MustCompile(`1\.94|0123`).FindAll(said, -1); len(left) > 0 {
		t.Errorf("%s is left in %s", left, said)
	}
}
