package handlers_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/slackpreview"
	"callwatch/rules"
)

// TestPageOnlyInDev: without a login nobody sees events.
func TestPageOnlyInDev(t *testing.T) {
	console := newFeed(samplePage())
	got := send(t, "GET", serve(t, handlers.Config{Preview: console})+"/", "", nil)
	if got.status != 200 || strings.Contains(got.body, "telnyx") || !strings.Contains(got.body, "callwatch") {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, path := range []string{"/slack", "/console/stream", "/assets/preview.js"} {
		if got := send(t, "GET", serve(t, handlers.Config{Preview: console})+path, "", nil); got.status != 404 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if got := send(t, "GET", serve(t, handlers.Config{Dev: true, Preview: console})+"/slack", "", map[string]string{"Host": "evil.example"}); got.status != 421 || strings.Contains(got.body, "telnyx") {
		t.Errorf("rebound name: %d", got.status)
	}
}

func TestPage(t *testing.T) {
	got := send(t, "GET", serve(t, handlers.Config{Dev: true, Preview: newFeed(samplePage())})+"/slack", "", nil)
	if got.status != 200 || got.header.Get("Content-Type") != "text/html; charset=UTF-8" {
		t.Fatalf("%d %s", got.status, got.header.Get("Content-Type"))
	}
	for _, want := range []string{
		`<span class="mos poor">3.12</span> <abbr title="estimated, ITU-T G.107">est</abbr>`,
		`<span class="mos good">4.31</span> <abbr title="reported by the provider">rep</abbr>`,
		`6.4 %`, `3 pkt`, `1840 ms`, `<code>mos (3.12) &lt; 3.5</code>`, `12 matched of 40 judged`,
		`<a href="https://example.com/i/1" target="_blank" rel="noopener noreferrer">12 calls</a>`,
		`fill="#D40E0D"`, `<time datetime="2026-03-01T12:00:09Z">12:00:09 UTC</time>`, `2 replies`,
		`<dt>rules</dt><dd>the file has &lt;1&gt; error</dd>`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("page lacks %s", want)
		}
	}
	// The call without MOS or loss shows neither a 0 nor a band.
	_, row, _ := strings.Cut(got.body, `data-key="butter:3"`)
	row, _, _ = strings.Cut(row, "</tr>")
	if strings.Contains(row, "mos") || strings.Contains(row, ">0") {
		t.Errorf("unknown is shown: %s", row)
	}
}

func TestEmptyPage(t *testing.T) {
	got := send(t, "GET", serve(t, handlers.Config{Dev: true, Preview: newFeed(slackpreview.Page{Mode: "dev"})})+"/slack", "", nil)
	for _, want := range []string{"No event yet", "No incident", "No message"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("page lacks %q", want)
		}
	}
}

const hostile = "<script>alert(1)</script>\" onload=x '\r\revent: threads\rdata: forged"

// hostilePage has attack text wherever a provider's words can get.
func hostilePage() slackpreview.Page {
	e := event(1, hostile, new(3.0), hostile)
	e.CallID, e.Status, e.Kind = hostile, hostile, call.Kind(hostile)
	m := slackpreview.Message{Text: hostile, Blocks: []slackpreview.Block{
		{Type: "header", Text: hostile},
		{Type: "section", Text: "*" + hostile + "* <javascript:alert(1)|go> <https://x.example/\"onclick=alert(1)|" + hostile, Fields: []string{hostile, "`" + hostile + "`"}},
		{Type: hostile, Items: []string{hostile}, Controls: []slackpreview.Control{
			{Label: hostile, Action: hostile},
			{Label: hostile, Action: hostile, Options: []string{hostile}},
			{Label: hostile, URL: "javascript:alert(1)"},
		}, Table: [][]string{{hostile}, {hostile}}, Chart: &slackpreview.Chart{
			Title: hostile, XLabel: hostile, YLabel: hostile[:4], Categories: []string{hostile}, Series: [][]float64{{1}},
		}},
	}, Attachments: []slackpreview.Attachment{{Color: `#123456" onload="x`}}}
	return slackpreview.Page{
		Mode: hostile, Events: []call.Event{e},
		Incidents: []rules.Incident{{
			ID: hostile, Rule: hostile, Summary: hostile, State: rules.State(hostile), Severity: rules.Severity(hostile),
			By:     []rules.Label{{Name: hostile, Value: hostile}},
			Latest: rules.Evidence{Conditions: []rules.Condition{{Text: hostile, Truth: rules.True}}},
		}},
		Threads: []slackpreview.Thread{{ID: hostile, Channel: hostile, Root: m, Replies: []slackpreview.Message{m, {Text: hostile}}}},
	}
}

// TestHostileText: what a provider wrote is text, in the page and in the stream.
func TestHostileText(t *testing.T) {
	base := serve(t, handlers.Config{Dev: true, Preview: newFeed(hostilePage())})
	page := send(t, "GET", base+"/slack", "", nil).body
	stream := openStream(t, base)
	var sent strings.Builder
	for range 4 {
		name, data := stream.next(t)
		if strings.HasPrefix(data, " forged") || strings.HasPrefix(data, "forged") {
			t.Errorf("event %s was forged", name)
		}
		sent.WriteString(data)
	}
	for name, html := range map[string]string{"page": page, "stream": sent.String()} {
		if n := strings.Count(html, "&lt;script&gt;alert(1)"); n < 15 {
			t.Errorf("%s shows the text only %d times", name, n)
		}
		for _, bad := range []string{"<script>alert", "\" onload", "javascript:", "\"onclick"} {
			if strings.Contains(html, bad) {
				t.Errorf("%s holds %s", name, bad)
			}
		}
	}
}

// sse is an open console stream.
type sse struct {
	lines *bufio.Scanner
	close func()
}

func openStream(t *testing.T, base string) *sse {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/console/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(res.Body) })
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("stream: %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	lines.Split(anyLine)
	return &sse{lines, func() { closing(res.Body) }}
}

// anyLine ends lines as the SSE standard does: LF, CR or both.
func anyLine(data []byte, atEOF bool) (int, []byte, error) {
	for i, c := range data {
		if c == '\n' {
			return i + 1, data[:i], nil
		}
		if c == '\r' {
			return i + 1, data[:i], nil
		}
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// next is the next event with its data lines joined.
func (s *sse) next(t *testing.T) (name, data string) {
	t.Helper()
	var lines []string
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch {
		case field == "event":
			name = value
		case field == "data":
			lines = append(lines, value)
		case field == "" && name != "":
			return name, strings.Join(lines, "\n")
		}
	}
	t.Fatalf("stream ended: %v", s.lines.Err())
	return "", ""
}

// TestStream: everything at first, then only what changed.
func TestStream(t *testing.T) {
	console := newFeed(samplePage())
	base := serve(t, handlers.Config{Dev: true, Preview: console})
	stream := openStream(t, base)
	for _, want := range []string{"counts", "events", "incidents", "threads"} {
		if name, data := stream.next(t); name != want || data == "" {
			t.Errorf("got %s, want %s", name, want)
		}
	}
	console.change(func(p *slackpreview.Page) { p.Threads = nil })
	if name, data := stream.next(t); name != "threads" || !strings.Contains(data, "No message") {
		t.Errorf("got %s: %s", name, data)
	}
	console.change(func(p *slackpreview.Page) { p.Counts.Webhooks = 5 })
	if name, data := stream.next(t); name != "counts" || !strings.Contains(data, "<dd>5</dd>") {
		t.Errorf("got %s: %s", name, data)
	}
}

// TestStreamOutlivesTimeouts: the read timeout is for requests, not for a stream.
func TestStreamOutlivesTimeouts(t *testing.T) {
	console := newFeed(slackpreview.Page{})
	base := serve(t, handlers.Config{Dev: true, Preview: console, Timeouts: shortTimeouts()})
	stream := openStream(t, base)
	for range 4 {
		stream.next(t)
	}
	for i := range int64(5) { // each update waits for the pause between two updates
		console.change(func(p *slackpreview.Page) { p.Counts.Events = i + 1 })
		stream.next(t)
	}
}

func TestStreamLimit(t *testing.T) {
	base := serve(t, handlers.Config{Dev: true, Preview: newFeed(slackpreview.Page{}), Limits: handlers.Limits{Streams: 1}})
	first := openStream(t, base)
	first.next(t)
	if got := send(t, "GET", base+"/console/stream", "", nil); got.status != 503 {
		t.Errorf("second stream: %d", got.status)
	}
	first.close()
	for {
		r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/console/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == 200 {
			return // the place of the first one is free again; the test's own timeout is the limit
		}
	}
}

func TestAssetsAreCached(t *testing.T) {
	base := serve(t, handlers.Config{Dev: true, Preview: newFeed(slackpreview.Page{})})
	got := send(t, "GET", base+"/assets/preview.css", "", nil)
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/css") {
		t.Fatalf("%d %s", got.status, got.header.Get("Content-Type"))
	}
	again := send(t, "GET", base+"/assets/preview.css", "", map[string]string{"If-None-Match": got.header.Get("ETag")})
	if again.status != 304 {
		t.Errorf("second time: %d", again.status)
	}
}
