package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
	"callwatch/notifier/slackfake"
	"callwatch/stream/natstest"
)

// TestTroubleOfSlackShowsEverywhere takes Slack away: readiness, the status, every
// page of the console, the incident and the metrics say so. When it is back, the
// incident is delivered once and nothing says so any more.
func TestTroubleOfSlackShowsEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	slack, slackURL := fakeSlackServer(t, "#voice")
	var away atomic.Bool
	away.Store(true)
	slack.SetFault(func(slackfake.Call) slackfake.Fault {
		if away.Load() {
			return slackfake.Fault{Status: http.StatusServiceUnavailable}
		}
		return slackfake.Fault{}
	})
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.AdminToken = t.TempDir(), "127.0.0.1:0", adminToken
	cfg.Rules = writeRules(t, failedRule)
	cfg.Providers = map[string]map[string]config.Secret{"butter": {"url_token": butterToken}}
	cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 100}
	a, err := newApp(t.Context(), cfg, devMode, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, base := runs(t, a)
	read := func(path string) string { return asAdmin(t, base+path) }
	if m := read("/metrics"); !strings.Contains(m, `callwatch_receiver_degraded{channel="#voice"} 0`) {
		t.Error("the metric is not there at 0 before the first message")
	}
	failedCall(t, base, butterToken, "call_1")
	eventually(t, "the receiver is degraded", func() bool {
		return strings.Contains(read("/metrics"), `callwatch_receiver_degraded{channel="#voice"} 1`)
	})
	open, err := listIncidents(t.Context(), &cli.Remote{URL: base, Token: adminToken}, "open")
	if err != nil || len(open) != 1 {
		t.Fatalf("%d incidents, %v", len(open), err)
	}
	pages := []string{"/", "/incidents", "/rules", "/silences", "/dead-letters", "/status", "/incidents/" + open[0].ID}
	shows := map[string]string{
		"/readyz?verbose": "#voice does not accept messages: ", "/api/v1/status": `"degraded":true`,
		"/api/v1/incidents/" + open[0].ID: `"undelivered":[{"receiver":"#voice"`,
	}
	for _, p := range pages {
		shows[p] = "Alerts do not reach #voice"
	}
	for path, want := range shows {
		if body := read(path); !strings.Contains(body, want) {
			t.Errorf("%s does not say %q:\n%.3000s", path, want, body)
		}
	}
	if body := read("/incidents/" + open[0].ID); !strings.Contains(body, "Not delivered yet to #voice: ") || !strings.Contains(body, "Next try <time") {
		t.Errorf("the incident's page: %.3000s", body)
	}
	away.Store(false)
	within(t, 2*time.Minute, "the incident is announced", func() bool { return len(slack.Threads()) > 0 })
	within(t, 2*time.Minute, "nothing says so any more", func() bool {
		for path, text := range shows {
			if strings.Contains(read(path), text) {
				return false
			}
		}
		return true
	})
	if n := len(slack.Threads()); n != 1 {
		t.Errorf("announced %d times", n)
	}
}

// asAdmin is the body of a page, "" where there is no answer.
func asAdmin(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

// TestTroubleShowsOnReplicas takes Slack away from two replicas: also the one that announces nothing
// says so on readiness and on its pages, and no longer once Slack is back.
func TestTroubleShowsOnReplicas(t *testing.T) {
	long(t)
	t.Parallel()
	slack, slackURL := fakeSlackServer(t, "#voice")
	var away atomic.Bool
	away.Store(true)
	slack.SetFault(func(slackfake.Call) slackfake.Fault {
		if away.Load() {
			return slackfake.Fault{Status: http.StatusServiceUnavailable}
		}
		return slackfake.Fault{}
	})
	url, stopServer, err := natstest.Single(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stopServer)
	rulesFile := writeRules(t, failedRule)
	var bases []string
	for range 2 {
		cfg := defaultConfig()
		cfg.DataDir, cfg.Listen, cfg.AdminToken, cfg.Rules, cfg.NATS.URL = t.TempDir(), "127.0.0.1:0", adminToken, rulesFile, url
		cfg.Providers = map[string]map[string]config.Secret{"butter": {"url_token": butterToken}}
		cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 100}
		a, err := newApp(t.Context(), cfg, devMode, testLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		_, base := runs(t, a)
		bases = append(bases, base)
	}
	failedCall(t, bases[0], butterToken, "call_1")
	shows := map[string]string{"/": "Alerts do not reach #voice", "/readyz?verbose": "#voice does not accept messages: ", "/api/v1/status": `"degraded":true`}
	for i, base := range bases {
		for path, text := range shows {
			eventually(t, fmt.Sprintf("%s of replica %d says %q", path, i, text), func() bool { return strings.Contains(asAdmin(t, base+path), text) })
		}
	}
	away.Store(false)
	for i, base := range bases {
		for path, text := range shows {
			within(t, 2*time.Minute, fmt.Sprintf("%s of replica %d no longer says %q", path, i, text), func() bool {
				page := asAdmin(t, base+path)
				return page != "" && !strings.Contains(page, text)
			})
		}
	}
	if n := len(slack.Threads()); n != 1 {
		t.Errorf("announced %d times", n)
	}
}

// TestReceiversOfAnotherReplica: only a note that is fresh and whole says anything.
func TestReceiversOfAnotherReplica(t *testing.T) {
	t.Parallel()
	now := time.Now()
	note := func(at time.Time) []byte {
		b, err := json.Marshal(receiversNote{at, []backend.Receiver{{Name: "#voice", Degraded: true}}, nil})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		value []byte
		want  int
	}{
		"fresh": {note(now.Add(-10 * time.Second)), 1}, "old": {note(now.Add(-2 * time.Minute)), 0}, "none": {nil, 0},
		"garbage": {[]byte("\x00"), 0}, "another type": {[]byte(`[1]`), 0}, "too large": {append(note(now), make([]byte, maxReceiversNote)...), 0},
	} {
		var n noted
		load := func(context.Context, string) ([]byte, uint64, error) { return c.value, 1, nil }
		if got := n.get(t.Context(), load, now); len(got.Receivers) != c.want {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}

// TestAlertRulesFire plays metrics to the shipped Prometheus alerts.
func TestAlertRulesFire(t *testing.T) {
	long(t)
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CALLWATCH_REQUIRE_PROMTOOL") == "1" {
			t.Fatal("no promtool found, and CALLWATCH_REQUIRE_PROMTOOL=1")
		}
		t.Skip("promtool is not installed")
	}
	files, err := filepath.Glob("testdata/alerts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
