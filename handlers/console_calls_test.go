package handlers_test

import (
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/handlers"
)

// What the list shows can be taken along, whole, and a spreadsheet does not run it.
func TestExport(t *testing.T) {
	o := newOffice(t)
	o.fleet()
	evil := event(1, "telnyx", new(2.0), call.FromProvider)
	evil.AgentName, evil.To = `=HYPERLINK("http://x")`, "+14155550100"
	o.add(evil)
	base := serve(t, handlers.Config{Dev: true, API: o.api()})
	got := send(t, "GET", base+"/calls/export?format=csv&range=7d", "", nil)
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") || !strings.Contains(got.header.Get("Content-Disposition"), ".csv") {
		t.Fatalf("%d %v", got.status, got.header)
	}
	rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil || len(rows) != 242 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if !strings.Contains(got.body, `'=HYPERLINK`) || !strings.Contains(got.body, ",+14155550100,") {
		t.Error("a formula is exported as it is, or a number is not")
	}
	if got := send(t, "GET", base+"/calls/export?format=ndjson&q=0187&range=7d", "", nil); got.status != 200 || strings.Count(got.body, "\n") != 1 || !strings.Contains(got.body, `"to":"+14155550187"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := send(t, "GET", base+"/calls/export?filter=moss+%3C+3", "", nil); got.status != 422 {
		t.Errorf("a wrong filter: %d", got.status)
	}
}

// Addresses that were handed around still lead where they did, and unknown ones are
// not found.
func TestConsoleAddresses(t *testing.T) {
	o := newOffice(t)
	o.busy()
	v := &visitor{t: t, base: serve(t, handlers.Config{Dev: true, API: o.api(), PublicURL: "https://voice.example/quality/"})}
	lost := regexp.MustCompile(`(href|action|src|hx-get|hx-post|sse-connect)="/[^q]`)
	for path, want := range map[string]struct {
		status         int
		location, body string
	}{
		"/?filter=mos+%3C+3":          {302, "/quality/live?filter=mos+%3C+3", ""},
		"/?before=7":                  {302, "/quality/live?before=7", ""},
		"/":                           {200, "", `href="/quality/calls"`},
		"/calls?range=1h":             {200, "", `href="/quality/calls?range=6h"`},
		"/calls?since=x":              {200, "", "Write times like"},
		"/calls?sort=nothing":         {422, "", "There is no column nothing."},
		"/calls?filter=mos+%3C+%22":   {422, "", `class="error"`},
		"/rules/nothing":              {404, "", ""},
		"/rules/low-mos/x":            {404, "", ""},
		"/rules/low-mos/":             {404, "", ""},
		"/calls/telnyx/a/b":           {404, "", ""},
		"/dead-letters/raw-70/x":      {404, "", ""},
		"/static/nothing/at/all":      {404, "", ""},
		"/incidents/nothing/at/all":   {404, "", ""},
		"/nothing":                    {404, "", ""},
		"/silences?edit=nothing":      {404, "", ""},
		"/live":                       {200, "", `data-base="/quality"`},
		"/rules/low-mos":              {200, "", "when: mos &lt; 3.5"},
		"/incidents?state=shadow":     {200, "", "in shadow"},
		"/?since=2026-03-02&until=x":  {200, "", "Write times like"},
		"/?since=2026-03-02&until=1d": {200, "", ""},
	} {
		got, body := v.ask("GET", path, nil)
		if got.StatusCode != want.status || got.Header.Get("Location") != want.location || !strings.Contains(body, want.body) {
			t.Errorf("%s: %d %q, want %d %q with %q in\n%.2000s", path, got.StatusCode, got.Header.Get("Location"), want.status, want.location, want.body, body)
		}
		if found := lost.FindString(body); found != "" {
			t.Errorf("%s: %s leaves the base path", path, found)
		}
	}
}
