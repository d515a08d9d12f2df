package call

import (
	"strings"
	"testing"
)

func TestRedactJSON(t *testing.T) {
	black := func(s string) string { return strings.ReplaceAll(s, "4915", "x") }
	for _, c := range []struct{ in, out string }{
		{`{"a":"4915","4915":[4915,{"b":"say 4915 \u0000"}],"n":1.50e3}`, `{"a":"x","x":[4915,{"b":"say x \u0000"}],"n":1.50e3}`},
		{`{"a":"\u0034915"}`, `{"a":"x"}`},
		{`{"a": 4915}`, `{"a": 4915}`},
		{`"4915"`, `"x"`},
	} {
		got, found, err := RedactJSON([]byte(c.in), black)
		if err != nil || string(got) != c.out || found == (c.in == c.out) {
			t.Errorf("%s: %s, %v, %v", c.in, got, found, err)
		}
	}
	if got, found, err := RedactJSON([]byte(`{"a":`), black); err == nil || found || string(got) != `{"a":` {
		t.Errorf("broken JSON: %s, %v, %v", got, found, err)
	}
}
