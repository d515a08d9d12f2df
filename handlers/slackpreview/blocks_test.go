package slackpreview

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"callwatch/notifier/slackfake"
)

// What our messages hold is what the page gets to show.
func TestShownMessage(t *testing.T) {
	read := func(kind string) Message {
		t.Helper()
		content, err := os.ReadFile("../../notifier/slack/testdata/" + kind + ".golden.json")
		if err != nil {
			t.Fatal(err)
		}
		m := slackfake.Message{TS: "1.000002", Edits: 1}
		if err := json.Unmarshal(content, &m); err != nil {
			t.Fatal(err)
		}
		return shownMessage(m)
	}
	find := func(m Message, kind string) Block {
		t.Helper()
		blocks := m.Blocks
		for _, a := range m.Attachments {
			blocks = append(blocks, a.Blocks...)
		}
		for _, b := range blocks {
			if b.Type == kind {
				return b
			}
		}
		t.Fatalf("no %s block", kind)
		return Block{}
	}
	chart := find(read("root-window"), "data_visualization").Chart
	if chart == nil || len(chart.Categories) != 20 || chart.Categories[0] != "00:34" || chart.YLabel != "%" ||
		len(chart.Series) != 1 || chart.Series[0][0] != 4.8 || chart.Series[0][19] != 18.1 {
		t.Errorf("chart %+v", chart)
	}
	table := find(read("reply-opening-window"), "table").Table
	want := [][]string{{"Where, of the latest 40 measured", "Value", "Matched", "Share"}, {"Connection ID", "trunk-ams-2", "31 of 40", "77.5 %"}, {"To", "+49•••••••78", "4 of 9", "44.4 %"}}
	if d := cmp.Diff(want, table); d != "" {
		t.Errorf("table, -want +got:\n%s", d)
	}
	controls := []Control{
		{Label: "Acknowledge", Action: "callwatch_ack"},
		{Label: "Silence", Action: "callwatch_silence", Options: []string{"1 hour", "4 hours", "1 day"}},
		{Label: "Assign to me", Action: "callwatch_assign"},
		{Label: "Resolve", Action: "callwatch_resolve"},
		{Label: "View calls", Action: "callwatch_view", URL: "https://callwatch.example.com/incidents/bad-call-1"},
		{Label: "Runbook", Action: "callwatch_runbook", URL: "https://wiki.example/voice/quality?a=1&b=2"},
	}
	if d := cmp.Diff(controls, find(read("root-buttons"), "actions").Controls); d != "" {
		t.Errorf("controls, -want +got:\n%s", d)
	}
	if m := read("root-buttons"); m.TS != "1.000002" || !m.Edited {
		t.Errorf("message %+v", m)
	}
}
