package wording

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// What a person is told of a body names the member and what it should be, and no part
// of the program.
func TestJSONError(t *testing.T) {
	for body, want := range map[string]string{
		"": "The body is empty: send a JSON object.", "{": "The body is not JSON: it ends too early.", "{a}": "The body is not JSON: a mistake at byte 2.",
		"[]": "The body is a JSON object, not a list.", `"x"`: "The body is a JSON object, not a text.", "5": "The body is a JSON object, not a number.",
		`{"text":5}`: "text is a text, not a number.", `{"text":{}}`: "text is a text, not an object.", `{"n":"1"}`: "n is a whole number, not a text.",
		`{"n":1.5}`: "n is a whole number, not a number.", `{"n":1e400}`: "n is a whole number, not a number.", `{"ok":1}`: "ok is true or false, not a number.",
		`{"list":"x"}`: "list is a list, not a text.", `{"list":[1]}`: "list is a text, not a number.", `{"in":[]}`: "in is an object, not a list.",
		`{"at":"1h"}`: `"1h" is not a time: date, time and zone, such as 2026-12-01T06:00:00Z.`, `{"at":5}`: "A time is a text: date, time and zone, such as 2026-12-01T06:00:00Z.",
		`{"txt":"x"}`: `The body has an unknown field "txt".`,
	} {
		var into struct {
			Text string    `json:"text"`
			N    int       `json:"n"`
			OK   bool      `json:"ok"`
			List []string  `json:"list"`
			At   time.Time `json:"at"`
			In   struct{}  `json:"in"`
		}
		d := json.NewDecoder(strings.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&into); err == nil || JSONError(err) != want {
			t.Errorf("%s: %v: said %q, want %q", body, err, JSONError(err), want)
		}
	}
}
