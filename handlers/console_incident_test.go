package handlers_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/rules"
)

// TestOverviewOfAnEmptyStore: what callwatch stored of itself is no call, and a webhook
// without a signature is taken in development only.
func TestOverviewOfAnEmptyStore(t *testing.T) {
	for _, dev := range []bool{true, false} {
		o := newOffice(t)
		if _, err := o.mark(t.Context(), rules.Action{Do: rules.Resume, By: "callwatch"}); err != nil {
			t.Fatal(err)
		}
		v := &visitor{t: t, base: serve(t, handlers.Config{Dev: dev, Access: admins("t"), API: o.api()}), header: http.Header{}}
		if !dev {
			answer, _ := v.ask("POST", "/login", url.Values{"token": {"t"}, "name": {"Ada"}})
			v.cookie = answer.Cookies[0]
		}
		_, page := v.ask("GET", "/", nil)
		for text, want := range map[string]bool{
			"No call has come yet": true, "<code>callwatch doctor</code>": true, "config example": false,
			"/webhooks/telnyx": true, "not set: webhooks are refused": !dev, "not set: taken without a check": dev,
		} {
			if strings.Contains(page, text) != want {
				t.Errorf("dev %t: %q is on the page: %t", dev, text, !want)
			}
		}
		o.busy()
		if _, page := v.ask("GET", "/", nil); strings.Contains(page, "No call has come yet") {
			t.Errorf("dev %t: a store with calls counts as empty", dev)
		}
	}
}

// TestNumbersOfPages: no page writes a number with an exponent.
func TestNumbersOfPages(t *testing.T) {
	o := newOffice(t)
	long := call.Event{Facts: call.Facts{DurationSec: new(12345.0), BytesReceived: new(int64(123456789)), MOS: new(2.0), Direction: call.Inbound}}
	long.ID, long.Provider, long.CallID, long.Kind = "1", "telnyx", "c1", call.Ended
	o.add(long)
	v := &visitor{t: t, base: serve(t, handlers.Config{Dev: true, API: o.api()}), header: http.Header{}}
	exponent := regexp.MustCompile(`[0-9]e\+[0-9]`)
	for path, want := range map[string]string{"/calls/telnyx/c1": "12\u202f345 s", "/calls/export?format=csv": "12345"} {
		_, page := v.ask("GET", path, nil)
		if found := exponent.FindString(page); found != "" || !strings.Contains(page, want) {
			t.Errorf("%s: %q on the page, %s on it: %t\n%.3000s", path, found, want, strings.Contains(page, want), page)
		}
	}
}

// TestTextThatTurnsAround: a provider's text cannot turn around what follows it on a page or
// in a stream of one: such a sign is shown as its escape.
func TestTextThatTurnsAround(t *testing.T) {
	o := newOffice(t)
	e := call.Event{Facts: call.Facts{MOS: new(2.0), HangupCause: "a\u202eb"}}
	e.ID, e.Provider, e.CallID, e.Kind, e.AgentName, e.Region = "1", "telnyx", "c1", call.Ended, "agent\u2066\u202egnp.exe", "שלום"
	o.add(e)
	a := o.api()
	v := &visitor{t: t, base: serve(t, handlers.Config{Dev: true, API: a}), header: http.Header{}}
	for _, path := range []string{"/calls/telnyx/c1", "/calls", "/live", "/incidents/" + a.Open()[0].ID, "/?by=agent"} {
		_, page := v.ask("GET", path, nil)
		if strings.ContainsAny(page, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") {
			t.Errorf("%s turns text around", path)
		}
	}
	if _, page := v.ask("GET", "/calls/telnyx/c1", nil); !strings.Contains(page, `agent\u2066\u202egnp.exe`) || !strings.Contains(page, "שלום") {
		t.Error("the call's page does not show the names")
	}
}

// TestConsoleIncidentForm: each button of an incident's page does what it says, and what
// cannot be done is said and changes nothing.
func TestConsoleIncidentForm(t *testing.T) {
	o := newOffice(t)
	o.busy()
	a := o.api()
	v := &visitor{t: t, base: serve(t, handlers.Config{Dev: true, API: a}), header: http.Header{}}
	id := a.Open()[0].ID
	form := func(pairs ...string) url.Values {
		f := url.Values{"back": {"/incidents/" + id}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for _, c := range []struct {
		name string
		form url.Values
		want int
		says string // note of the next page, or text of this one
		mark rules.Action
	}{
		{"assign", form("do", "assign", "to", " ben "), 303, "assigned", rules.Action{Do: rules.Assign, To: "ben", Incident: id}},
		{"assign to nobody", form("do", "assign", "to", ""), 303, "assigned", rules.Action{Do: rules.Assign, Incident: id}},
		{"assign to two lines", form("do", "assign", "to", "a\nb"), 422, "to must be a name", rules.Action{}},
		{"assign to a long name", form("do", "assign", "to", strings.Repeat("x", 201)), 422, "at most 200 bytes", rules.Action{}},
		{"note", form("do", "note", "text", " <carrier> knows "), 303, "noted", rules.Action{Do: rules.AddNote, Text: "<carrier> knows", Incident: id}},
		{"empty note", form("do", "note", "text", " "), 422, "and not empty", rules.Action{}},
		{"long note", form("do", "note", "text", strings.Repeat("x", 501)), 422, "at most 500 bytes", rules.Action{}},
		{"note with a control character", form("do", "note", "text", "a\x1b[2J"), 422, "a note is one line", rules.Action{}},
		{"unknown action", form("do", "close"), 400, "Reload the page", rules.Action{}},
		{"nothing", form(), 400, "Reload the page", rules.Action{}},
		{"resolve", form("do", "resolve"), 303, "resolved", rules.Action{Do: rules.Resolve, Incident: id}},
		{"resolve again", form("do", "resolve"), 409, "already resolved", rules.Action{}},
		{"note on a resolved one", form("do", "note", "text", "late"), 409, "already resolved", rules.Action{}},
	} {
		before := len(o.marks)
		answer, body := v.ask("POST", "/incidents/"+id, c.form)
		done := o.marks[before:]
		switch {
		case answer.StatusCode != c.want:
			t.Errorf("%s: %d, want %d", c.name, answer.StatusCode, c.want)
		case c.want != http.StatusSeeOther:
			if len(done) > 0 || !strings.Contains(body, c.says) {
				t.Errorf("%s: did %+v, says\n%s", c.name, done, body)
			}
		case len(done) != 1 || done[0].By == "" || answer.Header.Get("Location") != "/incidents/"+id+"?note="+c.says:
			t.Errorf("%s: did %+v, to %s", c.name, done, answer.Header.Get("Location"))
		default:
			if done[0].By = ""; done[0] != c.mark {
				t.Errorf("%s: did %+v, want %+v", c.name, done[0], c.mark)
			}
		}
		if c.name == "note" {
			if _, page := v.ask("GET", "/incidents/"+id, nil); !strings.Contains(page, "&lt;carrier&gt; knows") || strings.Contains(page, "<carrier>") {
				t.Errorf("the page does not show the note as text")
			}
		}
	}
	if answer, body := v.ask("POST", "/incidents/inc_none", form("do", "resolve")); answer.StatusCode != http.StatusConflict || !strings.Contains(body, "not open") {
		t.Errorf("unknown incident: %d", answer.StatusCode)
	}
}
