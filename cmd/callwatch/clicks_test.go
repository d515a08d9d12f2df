package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/notifier/slackfake"
)

// A person presses Acknowledge, twice as Slack sometimes delivers it, then Assign to
// me, Silence and Resolve: the incident, its thread and its colours say so, once.
func TestButtons(t *testing.T) {
	t.Parallel()
	t.Run("usual workspace", func(t *testing.T) {
		t.Parallel()
		slack, url := fakeSlackServer(t)
		pressButtons(t, slack, config.Slack{
			Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200, SigningSecret: "signing",
		}, "/slack/interactions")
	})
	t.Run("another workspace", func(t *testing.T) {
		t.Parallel()
		slack, url := fakeSlackServer(t)
		_, usual := fakeSlackServer(t)
		pressButtons(t, slack, config.Slack{
			Token: "xoxb-test", Channel: "emea/#voice", APIURL: usual, Rate: 200, SigningSecret: "wrong", // there
			Workspaces: map[string]config.Workspace{"emea": {Token: "xoxb-test", SigningSecret: "signing", APIURL: url}},
		}, "/slack/interactions/emea")
	})
}

// pressButtons presses them in the workspace whose clicks go to the path.
func pressButtons(t *testing.T, slack *slackfake.Server, settings config.Slack, path string) {
	t.Helper()
	_, base := inDevelopment(t, testLogger(t), func(cfg *config.Config) { cfg.Slack = settings })
	failedCall(t, base, butterToken, "call_0123456789ab")
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
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, bytes.NewReader(form))
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
	if got := press(shown("callwatch_assign"), "signing"); got != http.StatusOK {
		t.Fatalf("a click is answered %d", got)
	}
	eventually(t, "root and thread say whose it is", func() bool {
		root := slack.Threads()[0].Root
		return line("assigned to ana") == 1 && strings.Contains(string(root.Attachments), "Assigned to ana")
	})
	if got := press(shown("callwatch_silence"), "signing"); got != http.StatusOK {
		t.Fatalf("a click is answered %d", got)
	}
	eventually(t, "the thread says who silenced it", func() bool { return line("silenced") > 0 })
	if line("acknowledged") != 1 || line("silenced") != 1 {
		t.Errorf("acknowledged %d times, silenced %d times", line("acknowledged"), line("silenced"))
	}
	if got := press(shown("callwatch_resolve"), "signing"); got != http.StatusOK {
		t.Fatalf("a click is answered %d", got)
	}
	eventually(t, "the thread says who resolved it", func() bool { return line("resolved by ana") == 1 })
}
