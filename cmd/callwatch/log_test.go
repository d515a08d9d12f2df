package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
)

// logLines keeps what is logged as JSON.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// with are the lines that have a value, by their texts.
func (l *logLines) with(t *testing.T, key, value string) map[string]map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]map[string]any{}
	for _, text := range strings.Split(strings.TrimSpace(l.buf.String()), "\n") {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil && text != "" {
			t.Fatalf("%s: %v", text, err)
		}
		if line[key] == value {
			found[line["msg"].(string)] = line
		}
	}
	return found
}

// TestLogJoins follows an alerting webhook by the ids in the log: from the id of
// its request to the message in Slack.
func TestLogJoins(t *testing.T) {
	t.Parallel()
	lines := &logLines{}
	log, err := cli.Logger(lines, "debug", true)
	if err != nil {
		t.Fatal(err)
	}
	_, url := fakeSlackServer(t)
	_, base := inDevelopment(t, log, func(cfg *config.Config) {
		cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200}
	})
	request := failedCall(t, base, butterToken, "call_0123456789ab")

	stored := lines.with(t, "request", request)["webhook stored"]
	if stored == nil || stored["provider"] != "butter" {
		t.Fatalf("no line has the id of the request: %v", stored)
	}
	raw, _ := stored["raw"].(string)
	var ofRaw map[string]map[string]any
	eventually(t, "the lines with the id of the body", func() bool {
		ofRaw = lines.with(t, "raw", raw)
		return ofRaw["message posted"] != nil
	})
	event := ofRaw["webhook normalized"]["event"]
	for text, keys := range map[string][]string{
		"webhook stored":     {"request", "provider", "outcome"},
		"webhook normalized": {"event", "call", "provider", "kind"},
		"event judged":       {"event", "call", "provider", "transitions"},
		"incident changed":   {"event", "call", "provider", "incident", "rule", "step"},
		"message posted":     {"event", "call", "provider", "incident", "rule", "channel", "message"},
	} {
		line := ofRaw[text]
		for _, key := range keys {
			if line[key] == nil || line[key] == "" {
				t.Errorf("%s: has no %s: %v", text, key, line)
			}
		}
		if slices.Contains(keys, "event") && line["event"] != event {
			t.Errorf("%s: is about the event %v, not %v", text, line["event"], event)
		}
	}
	incident, _ := ofRaw["incident changed"]["incident"].(string)
	if lines.with(t, "incident", incident)["message posted"] == nil {
		t.Errorf("no message of %s in the log", incident)
	}
}
