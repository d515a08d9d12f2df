package main

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/notifier/slackfake"
)

// A person presses Acknowledge, twice as Slack sometimes delivers it, and then
// Silence: the incident, its thread and its colours say so, once.
func TestButtons(t *testing.T) {
	slack, url := fakeSlackServer(t)
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.Slack = SlackConfig{Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200, SigningSecret: "signing"}
	a, err := newApp(t.Context(), cfg, devMode, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	base := "http://" + a.server.Addr().String()
	body := `{"call_sid":"call_0123456789ab","status":"failed","duration":0,"timestamp":"2026-11-01T12:00:45Z","error_code":503,"error_message":"no route"}`
	res, err := http.Post(base+"/webhooks/butter", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	eventually(t, "the incident is announced", func() bool {
		threads := slack.Threads()
		return len(threads) == 1 && len(threads[0].Replies) == 1
	})

	shown := func(action string) []byte {
		t.Helper()
		payload, err := slack.Press(slack.Threads()[0].Root.TS, action, 0, slackfake.User{ID: "U1", Name: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		return payload
	}
	press := func(payload []byte, secret string) int {
		t.Helper()
		header, form := slackfake.Request(secret, time.Now(), payload)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/slack/interactions", bytes.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	acknowledge := shown("callwatch_ack") // a double click sends the button as it was, whatever the message became
	if got := press(acknowledge, "wrong"); got != http.StatusUnauthorized {
		t.Errorf("a forged click is answered %d", got)
	}
	line := func(word string) int {
		n := 0
		for _, r := range slack.Threads()[0].Replies {
			if strings.Contains(strings.ToLower(r.Text), word) && strings.Contains(r.Text, "ana") {
				n++
			}
		}
		return n
	}
	for range 2 {
		if got := press(acknowledge, "signing"); got != http.StatusOK {
			t.Fatalf("a click is answered %d", got)
		}
	}
	eventually(t, "the thread says who took it", func() bool { return line("acknowledged") > 0 })
	if got := press(shown("callwatch_silence"), "signing"); got != http.StatusOK {
		t.Fatalf("a click is answered %d", got)
	}
	eventually(t, "the thread says who silenced it", func() bool { return line("silenced") > 0 })
	if line("acknowledged") != 1 || line("silenced") != 1 {
		t.Errorf("acknowledged %d times, silenced %d times", line("acknowledged"), line("silenced"))
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
