package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
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
	lines := &logLines{}
	log, err := logger(lines, "debug", true)
	if err != nil {
		t.Fatal(err)
	}
	_, url := fakeSlackServer(t)
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.Slack = SlackConfig{Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200}
	a, err := newApp(t.Context(), cfg, devMode, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	body := `{"call_sid":"call_0123456789ab","status":"failed","duration":0,"timestamp":"2026-11-01T12:00:45Z","error_code":503,"error_message":"no route to +14155550123"}`
	res, err := http.Post("http://"+a.server.Addr().String()+"/webhooks/butter", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()

	stored := lines.with(t, "request", res.Header.Get("X-Request-Id"))["webhook stored"]
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
	lines.mu.Lock()
	defer lines.mu.Unlock()
	if strings.Contains(lines.buf.String(), "4155550123") {
		t.Error("the log shows a telephone number")
	}
}
