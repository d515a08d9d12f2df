package slack

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/notifier"
	"callwatch/notifier/notifiertest"
	"callwatch/rules"
)

var update = flag.Bool("update", false, "write the golden files and docs/slack.md again")

// kind is a kind of message with an example.
type kind struct {
	file, title string
	m           message
}

func kinds() []kind {
	w := &writer{title: notifiertest.Title}
	buttons := &writer{title: notifiertest.Title, buttons: true, console: "https://callwatch.example.com"}
	o, g, e, r, b := notifiertest.Opened(), notifiertest.Grown(), notifiertest.Escalated(), notifiertest.Resolved(), notifiertest.Bare()
	a, s, c, win, over := notifiertest.Acknowledged(), notifiertest.Silenced(), notifiertest.AdoptedChild(), notifiertest.Window(), notifiertest.WindowResolved()
	assigned := notifiertest.Assigned()
	step := func(step rules.Step, in rules.Incident) message {
		return w.said(&notifier.Line{Step: step, At: notifiertest.T0.Add(30 * time.Minute), Incident: in})
	}
	storm := stormMessages(w, &o, fullList)
	return []kind{
		{"root-opened", "Root: opened", w.root(&o)},
		{"root-grown", "Root: more calls matched", w.root(&g)},
		{"root-buttons", "Root with buttons and a console", buttons.root(&g)},
		{"root-escalated", "Root: escalated", w.root(&e)},
		{"root-acknowledged", "Root: acknowledged", buttons.root(&a)},
		{"root-assigned", "Root: assigned", buttons.root(&assigned)},
		{"root-silenced", "Root: silenced", w.root(&s)},
		{"root-adopted", "Root: adopted by another incident", w.root(&c)},
		{"root-resolved", "Root: resolved", w.root(&r)},
		{"root-bare", "Root: as little as can be known", w.root(&b)},
		{"root-window", "Root of a rule over windows, with its trend", w.root(&win)},
		{"root-window-sparkline", "The same where Slack refuses the chart", w.rootWithSparkline(&win)},
		{"root-window-resolved", "The same, resolved", w.root(&over)},
		{"reply-opening", "First reply: the values at opening", buttons.opening(&g)},
		{"reply-opening-window", "First reply of a rule over windows", w.opening(&win)},
		{"line-escalated", "Line: escalated (also shown in the channel)", w.escalated(&e, e.Severity, e.UpdatedAt, "mos (1.94) < 2.5")},
		{"line-acknowledged", "Line: acknowledged", step(rules.StepAcknowledged, a)},
		{"line-unacknowledged", "Line: unacknowledged", step(rules.StepUnacknowledged, g)},
		{"line-assigned", "Line: assigned", step(rules.StepAssigned, assigned)},
		{"line-noted", "Line: noted", step(rules.StepNoted, assigned)},
		{"line-silenced", "Line: silenced", step(rules.StepSilenced, s)},
		{"line-unsilenced", "Line: silence ended", step(rules.StepUnsilenced, g)},
		{"line-reminded", "Line: reminded", step(rules.StepReminded, g)},
		{"line-adopted", "Line: adopted incidents", w.adopted(&notifier.Line{To: 2, Incident: win})},
		{"line-resolved", "Line: resolved", w.resolved(&r)},
		{"storm", "Storm: the rolling message", storm[0]},
		{"storm-ended", "Storm: the rolling message when it is over", storm[3]},
		{"storm-list", "Storm: the list of its incidents, a hundred a message", storm[2]},
		{"storm-over", "Storm: the summary", storm[1]},
		{"trial", "Test message", w.trial(notifiertest.T0)},
	}
}

func encoded(m any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(m)
	// Attachments marshal themselves, with < and > escaped.
	return []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(out.String())), err
}

func TestMessagesAreTheGoldenOnes(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.file, func(t *testing.T) {
			got, err := encoded(k.m)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", k.file+".golden.json"), got)
		})
	}
}

// TestDocsShowEveryMessage keeps docs/slack.md in step with the messages: what
// is above its examples is written by hand. The pictures are made by
// go test ./handlers/slackpreview -run Pictures -pictures ../../docs/images/slack.
func TestDocsShowEveryMessage(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "slack.md")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "<!-- below: written by go test ./notifier/slack -update -->\n"
	text, _, ok := strings.Cut(string(old), mark)
	if !ok {
		t.Fatal("docs/slack.md lacks the mark of its generated part")
	}
	var out bytes.Buffer
	out.WriteString(text + mark)
	for _, k := range kinds() {
		if _, err := os.Stat(filepath.Join("..", "..", "docs", "images", "slack", k.file+".png")); err != nil {
			t.Errorf("%s has no picture: %v", k.file, err)
		}
		fmt.Fprintf(&out, "\n### %s\n\n![%s](images/slack/%s.png)\n", k.title, firstLine(k.m.Text), k.file)
	}
	golden(t, file, out.Bytes())
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "[", "(", "]", ")").Replace(ours.ReplaceAllString(s, "…"))
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("-want +got; write again with -update\n%s", d)
	}
}
