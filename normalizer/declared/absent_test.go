package declared

import (
	"fmt"
	"testing"

	"callwatch/normalizer"
)

// A fact that depends on what a body does not have is unknown, not false and not the
// other branch.
func TestAbsentIsUnknown(t *testing.T) {
	for _, c := range []struct {
		mapping string // of agentName
		body    string // members beside id
		want    string // "" for unknown
	}{
		{`body.x == "a" ? "yes" : "no"`, `"x":"a"`, "yes"},
		{`body.x == "a" ? "yes" : "no"`, `"x":"b"`, "no"},
		{`body.x == "a" ? "yes" : "no"`, ``, ""},
		{`body.x == "a" ? "yes" : "no"`, `"x":null`, ""},
		{`body.x != "a" ? "yes" : "no"`, ``, ""},
		{`"a" == body.x ? "yes" : "no"`, ``, ""},
		{`body.x in ["a", "b"] ? "yes" : "no"`, ``, ""},
		{`body.x in ["a", "b"] ? "yes" : "no"`, `"x":"b"`, "yes"},
		{`!(body.x == "a") ? "yes" : "no"`, ``, ""},
		{`num(body.x) > 3 ? "yes" : "no"`, ``, ""},
		{`num(body.x) > 3 ? "yes" : "no"`, `"x":"4"`, "yes"},
		{`body.x == body.y ? "yes" : "no"`, `"x":"a"`, ""},
		{`body.x == body.y ? "yes" : "no"`, ``, ""},
		{`body.y == "b" or body.x == "a" ? "yes" : "no"`, `"y":"b"`, "yes"}, // whatever x is
		{`body.y == "c" and body.x == "a" ? "yes" : "no"`, `"y":"b"`, "no"},
		{`body.a.b.c == "a" ? "yes" : "no"`, `"a":{"b":{}}`, ""},
		{`body.x == nil ? "yes" : "no"`, ``, "yes"},
		{`body.x != nil ? "yes" : "no"`, ``, "no"},
		{`(body.x ?? "a") == "a" ? "yes" : "no"`, ``, "yes"},
		{`text(count(body.l, .x == "a"))`, `"l":[{"x":"a"},{}]`, "1"},
		{`any(body.l, .x == "a") ? "yes" : "no"`, `"l":[{}]`, "no"},
	} {
		d, problems := Load("acme.yaml", fmt.Appendf(nil, "verify: none\nevents:\n  - {kind: ended, set: {callId: body.id, agentName: '%s'}}\n", c.mapping))
		if problems.Errors() {
			t.Fatal(problems)
		}
		body := `{"id":"c"`
		if c.body != "" {
			body += "," + c.body
		}
		b := normalizer.Body{Provider: "acme", Source: normalizer.Pushed, ContentType: "application/json", Bytes: []byte(body + "}"), ReceivedAt: testTime()}
		events, err := normalizer.Events(d.Provider(), &b, normalizer.Options{})
		if err != nil || len(events) != 1 {
			t.Fatalf("%s of %s: %d events, %v", c.mapping, body, len(events), err)
		}
		if got := events[0].AgentName; got != c.want {
			t.Errorf("%s of %s is %q, want %q", c.mapping, body, got, c.want)
		}
	}
	// The whole mapping a comparison: a truth value, or none.
	d, _ := Load("acme.yaml", []byte("verify: none\nevents:\n  - {kind: ended, set: {callId: body.id, answered: 'body.x == \"a\"'}}\n"))
	for body, want := range map[string]string{`{"id":"c"}`: "unknown", `{"id":"c","x":"a"}`: "true", `{"id":"c","x":"b"}`: "false"} {
		b := normalizer.Body{Provider: "acme", Source: normalizer.Pushed, ContentType: "application/json", Bytes: []byte(body), ReceivedAt: testTime()}
		events, err := normalizer.Events(d.Provider(), &b, normalizer.Options{})
		if err != nil || len(events) != 1 {
			t.Fatal(err)
		}
		got := "unknown"
		if a := events[0].Answered; a != nil {
			got = fmt.Sprint(*a)
		}
		if got != want {
			t.Errorf("answered of %s is %s, want %s", body, got, want)
		}
	}
}
