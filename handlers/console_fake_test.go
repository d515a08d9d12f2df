package handlers_test

import (
	"fmt"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/handlers/slackpreview"
	"callwatch/rules"
)

// feed is a console whose page the test changes.
type feed struct {
	mu      sync.Mutex
	page    slackpreview.Page
	changed chan struct{}
}

func newFeed(p slackpreview.Page) *feed { return &feed{page: p, changed: make(chan struct{})} }

func (f *feed) Snapshot() slackpreview.Page {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.page
}

func (f *feed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *feed) change(edit func(p *slackpreview.Page)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit(&f.page)
	close(f.changed)
	f.changed = make(chan struct{})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// event is a plain ended call.
func event(i int, provider string, mos *float64, source string) call.Event {
	return call.Event{
		Identity: call.Identity{
			ID: fmt.Sprintf("%s:%d", provider, i), Provider: provider, Kind: call.Ended,
			CallID: fmt.Sprintf("6f1d2c3b-4a5e-4f60-8a7b-%012d", i), ReceivedAt: noon.Add(time.Duration(i) * time.Second),
		},
		Facts: call.Facts{Status: call.Completed, MOS: mos, MOSSource: source},
	}
}

// samplePage has something of everything the page can show.
func samplePage() slackpreview.Page {
	e1 := event(7, "telnyx", new(3.12), call.Estimated)
	e1.PacketLossPct, e1.JitterMs, e1.RTTMs = new(6.4), new(41.0), new(212.0)
	e2 := event(6, "atoms", nil, "")
	e2.TurnLatencyMs, e2.Status = new(1840.0), call.Completed
	e3 := event(5, "signalwire", new(4.31), call.FromProvider)
	e3.PacketsLost, e3.JitterMs = new(int64(3)), new(4.0)
	e4 := event(4, "bird", new(3.71), call.FromProvider)
	e4.Kind, e4.JitterMs, e4.RTTMs = call.Report, new(12.0), new(96.0)
	e5 := event(3, "butter", nil, "")
	e5.Status = call.Failed
	e6 := event(2, "telnyx", new(1.0), call.NoMedia)
	e7 := event(1, "telnyx", nil, "")
	e7.Kind, e7.Status = call.Progress, call.InProgress
	events := []call.Event{e1, e2, e3, e4, e5, e6, e7}
	for i := range 24 {
		e := event(-i, []string{"telnyx", "bird", "signalwire"}[i%3], new(4.41-float64(i%5)*0.33), call.FromProvider)
		e.PacketLossPct, e.JitterMs, e.RTTMs = new(float64(i%7)*0.3), new(float64(3+i%9)), new(float64(60+i*3))
		events = append(events, e)
	}
	held := func(texts ...string) rules.Evidence {
		var ev rules.Evidence
		for _, text := range texts {
			ev.Conditions = append(ev.Conditions, rules.Condition{Text: text, Truth: rules.True})
		}
		ev.Conditions = append(ev.Conditions, rules.Condition{Text: "rttMs (unknown) > 400", Truth: rules.Unknown})
		return ev
	}
	message := func(at time.Duration, text string) slackpreview.Message {
		return slackpreview.Message{At: noon.Add(at), Text: text}
	}
	root := message(8*time.Second, "Poor audio quality on telnyx")
	root.Edited = true
	root.TS = "1772366408.000100"
	root.Blocks = []slackpreview.Block{
		{Type: "section", Text: "*Poor audio quality* · critical · <https://example.com/i/1|12 calls>"},
		{Type: "data_visualization", Chart: &slackpreview.Chart{
			Title: "Trend of the value", XLabel: "Time in UTC", YLabel: "%", Categories: []string{"11:50", "11:55", "12:00"}, Series: [][]float64{{2, 11.5, 24}},
		}},
		{Type: "table", Table: [][]string{{"Where", "Value", "Matched", "Share"}, {"Trunk", "ams-2", "31 of 40", "77.5 %"}}},
	}
	root.Attachments = []slackpreview.Attachment{{Color: "#D40E0D", Blocks: []slackpreview.Block{
		{Type: "section", Fields: []string{"*MOS*\n3.12 (estimated)", "*Loss*\n6.4 %", "*Jitter*\n41 ms", "*Provider*\ntelnyx"}},
		{Type: "section", Text: "*Matched because*\n`mos (3.12) &lt; 3.5`\n`packetsLost (312) &gt; 50`"},
		{Type: "actions", Controls: []slackpreview.Control{
			{Label: "Acknowledge", Action: "ack"},
			{Label: "Silence", Action: "silence", Options: []string{"1 hour", "4 hours"}},
			{Label: "Runbook", URL: "https://example.com/book?a=1&b=2"},
		}},
		{Type: "context", Items: []string{"poor-audio", "critical", "unjudged 3 %"}},
	}}}
	done := message(3*time.Second, "Slow agent answers on atoms: resolved")
	done.Attachments = []slackpreview.Attachment{{Color: "#2EB67D", Blocks: []slackpreview.Block{{Type: "section", Text: "`turnLatencyP95Ms (2410) &gt; 2000`"}}}}
	return slackpreview.Page{
		Notice: "the file has <1> error",
		Mode:   "demo",
		Counts: slackpreview.Counts{Webhooks: 1284, Events: 1301, Incidents: 2, Messages: 9},
		Events: events,
		Incidents: []rules.Incident{
			{
				ID: "i1", Rule: "poor-audio", By: []rules.Label{{Name: "provider", Value: "telnyx"}, {Name: "connectionId", Value: "sip-trunk-7"}},
				State: rules.Firing, Severity: rules.Critical, Mode: rules.Active, OpenedAt: noon.Add(8 * time.Second),
				Summary: "Poor audio quality", Counts: rules.Counts{Matched: 12, Judged: 40, Unjudged: 3},
				Latest: held("mos (3.12) < 3.5", "packetsLost (312) > 50"),
			},
			{
				ID: "i3", Rule: "failed-calls", State: rules.Firing, Severity: rules.Warning, Mode: rules.Shadow, OpenedAt: noon,
				Counts: rules.Counts{Matched: 1, Judged: 9}, Latest: held(`hangupClass ("network") == "network"`),
			},
			{
				ID: "i2", Rule: "slow-agent", By: []rules.Label{{Name: "agentName", Value: "Front desk"}},
				State: rules.Resolved, Severity: rules.Warning, Mode: rules.Active, OpenedAt: noon, ResolvedAt: noon.Add(20 * time.Second),
				Counts: rules.Counts{Matched: 2, Judged: 11}, Latest: held("turnLatencyP95Ms (2410) > 2000"),
			},
		},
		Threads: []slackpreview.Thread{
			{ID: "C1-1", Channel: "voice-alerts", Root: root, Replies: []slackpreview.Message{
				message(9*time.Second, "Opened at <!date^1772366409^{time}|12:00:09 UTC>: `mos (3.12) &lt; 3.5`"),
				message(31*time.Second, "Escalated to *critical*: 12 of 40 calls"),
			}},
			{ID: "C1-2", Channel: "voice-alerts", Root: done, Replies: []slackpreview.Message{message(20*time.Second, "Resolved after 4 min, ~2410~ 900 ms")}},
		},
	}
}
