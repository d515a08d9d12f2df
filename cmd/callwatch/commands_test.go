package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/registry"
)

// command runs callwatch in this process.
func command(t *testing.T, ctx context.Context, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(ctx, args, environ, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestNotifyTest(t *testing.T) {
	t.Parallel()
	slack, url := fakeSlackServer(t)
	environ := []string{"CALLWATCH_SLACK_TOKEN=xoxb-test", "CALLWATCH_SLACK_CHANNEL=#voice", "CALLWATCH_SLACK_API_URL=" + url}
	code, out, errs := command(t, t.Context(), environ, "notify", "test")
	if code != cli.ExitFine || !strings.Contains(out, "posted to #voice") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if threads := slack.Threads(); len(threads) != 1 || !strings.Contains(strings.ToLower(threads[0].Root.Text), "test") {
		t.Errorf("posted %+v, want one message that says it is a test", threads)
	}

	wrong := append(environ, "CALLWATCH_SLACK_TOKEN=xoxb-wrong")
	code, out, errs = command(t, t.Context(), wrong, "notify", "test")
	if code != cli.ExitProblems || !strings.Contains(errs, "invalid_auth") || strings.Contains(out+errs, "xoxb") {
		t.Errorf("wrong token: exit %d, %q, %q", code, out, errs)
	}
	code, _, errs = command(t, t.Context(), nil, "notify", "test")
	if code != cli.ExitUsage || !strings.Contains(errs, "CALLWATCH_SLACK_TOKEN is not set") {
		t.Errorf("no token: exit %d, %q", code, errs)
	}
}

func TestDoctorWithSlack(t *testing.T) {
	t.Parallel()
	_, url := fakeSlackServer(t, "#voice")
	environ := []string{
		"CALLWATCH_SLACK_TOKEN=xoxb-test", "CALLWATCH_SLACK_CHANNEL=#voice", "CALLWATCH_SLACK_API_URL=" + url,
		"CALLWATCH_DATA_DIR=" + t.TempDir(), "CALLWATCH_BIRD_SIGNING_KEY=key", "CALLWATCH_RULES=../../rules.yaml",
	}
	code, out, errs := command(t, t.Context(), environ, "doctor")
	if code != cli.ExitFine {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"ok       slack", "ok       clock", "warning  bird         signatures cover the URL: set CALLWATCH_PUBLIC_URL", "ok       rules"} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor does not say %q:\n%s", want, out)
		}
	}

	_, emea := fakeSlackServer(t, "#voice-emea")
	dir := t.TempDir()
	file, rules := filepath.Join(dir, "callwatch.yaml"), filepath.Join(dir, "rules.yaml")
	for name, text := range map[string]string{
		file:  "slack: {workspaces: {emea: {token: xoxb-test, signing_secret: key, api_url: '" + emea + "'}, apac: {token: xoxb-wrong, api_url: '" + emea + "'}}}",
		rules: `{rules: [{name: bad, when: mos < 3, route: {slack: ["#voice", "emea/#voice-emea", "emea/#other", "latam/#voice"]}}]}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs = command(t, t.Context(), append(environ, "CALLWATCH_RULES="+rules), "--config", file, "doctor")
	if code != cli.ExitProblems {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{
		"ok       slack        token of", "posting to #voice\n", "ok       slack/emea", "posting to #other, #voice-emea\n", "problem  slack/emea   channel #other takes no messages",
		"ok       slack/emea   buttons by POST /slack/interactions/emea", "problem  slack/apac   check Slack token: invalid_auth", "problem  slack        the rules name latam/#voice",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the doctor does not say %q:\n%s", want, out)
		}
	}

	gone := append(environ, "CALLWATCH_SLACK_CHANNEL=#gone")
	code, out, _ = command(t, t.Context(), gone, "doctor")
	if code != cli.ExitProblems || !strings.Contains(out, "problem  slack        channel #gone takes no messages: channel_not_found") {
		t.Errorf("a channel that is not there: exit %d\n%s", code, out)
	}
}

// Another program subscribes to a running callwatch: here, events tail.
func TestTailOfARunningCallwatch(t *testing.T) {
	t.Parallel()
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.NATS.Listen = t.TempDir(), "127.0.0.1:0", freeAddress(t)
	a, err := newApp(t.Context(), cfg, devMode, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()

	body := `{"call_sid":"call_0123456789ab","status":"completed","duration":45,"timestamp":"2026-11-01T12:00:45Z","error_code":null,"error_message":null}`
	res, err := http.Post("http://"+a.server.Addr().String()+"/webhooks/butter", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	tailing, enough := context.WithTimeout(t.Context(), 20*time.Second)
	defer enough()
	seen := &watched{want: `"callId":"call_0123456789ab"`, found: enough}
	code := run(tailing, []string{"events", "tail", "--nats-url", "nats://" + cfg.NATS.Listen, "-o", "ndjson"}, nil, nil, seen, seen)
	if code != cli.ExitFine || !seen.ok {
		t.Errorf("exit %d, tail printed %q", code, seen.buf.String())
	}

	// The store is held by the running process: one that does not know where it listens
	// is told so.
	code, _, errs := command(t, t.Context(), []string{"CALLWATCH_LISTEN=127.0.0.1:9"}, "events", "tail", "--data-dir", cfg.DataDir)
	if code != cli.ExitRuntime || !strings.Contains(errs, "a callwatch runs on "+cfg.DataDir) {
		t.Errorf("exit %d, %q", code, errs)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// watched is an output that calls found once a text has been written to it.
type watched struct {
	buf   bytes.Buffer
	want  string
	found func()
	ok    bool
}

func (w *watched) Write(p []byte) (int, error) {
	w.buf.Write(p)
	if strings.Contains(w.buf.String(), w.want) {
		w.ok = true
		w.found()
	}
	return len(p), nil
}

// No secret of the configuration shows in what is printed about it.
func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	environ := []string{
		"CALLWATCH_SLACK_TOKEN=xoxb-hunter2", "CALLWATCH_SLACK_CHANNEL=#voice", "CALLWATCH_SLACK_API_URL=http://127.0.0.1:1/",
		"CALLWATCH_BUTTER_URL_TOKEN=hunter2", "CALLWATCH_ATOMS_SIGNING_SECRET=hunter2", "CALLWATCH_ADMIN_TOKEN=hunter2",
		"CALLWATCH_DATA_DIR=" + t.TempDir(),
	}
	cfg, err := config.Read("", environ, registry.Providers())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l, err := cli.Logger(&log, "debug", true)
	if err != nil {
		t.Fatal(err)
	}
	l.Info("configuration", "config", cfg, "slack", cfg.Slack, "token", cfg.AdminToken, "providers", cfg.Providers)
	_, out, errs := command(t, t.Context(), environ, "doctor")
	for where, text := range map[string]string{"log": log.String(), "doctor": out + errs} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s shows a secret:\n%s", where, text)
		}
	}
}

// TestAddressToListenOn: an address that this machine does not have is a wrong setting; a
// port that another program holds may be free in a moment.
func TestAddressToListenOn(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for address, want := range map[string]int{taken.Addr().String(): cli.ExitRuntime, "192.0.2.1:8080": cli.ExitUsage, "nowhere": cli.ExitUsage} {
		var out bytes.Buffer
		code := run(t.Context(), []string{"serve", "--listen", address, "--data-dir", t.TempDir()}, nil, nil, &out, &out)
		if code != want || !strings.Contains(out.String(), "CALLWATCH_LISTEN") && !strings.Contains(out.String(), "--listen") {
			t.Errorf("%s: exit %d, want %d\n%s", address, code, want, &out)
		}
	}
}

// TestShortAnswersAsJSON: commands that answer in one line write it for programs too.
func TestShortAnswersAsJSON(t *testing.T) {
	t.Parallel()
	_, slack := fakeSlackServer(t)
	answers := http.NewServeMux()
	answers.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	answers.HandleFunc("DELETE /api/v1/silences/sil_1", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	answers.HandleFunc("DELETE /api/v1/silences/sil_2", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"title":"Not Found","status":404,"detail":"no such silence"}`))
	})
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	starting := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(starting.Close)
	environ := []string{"CALLWATCH_SLACK_TOKEN=xoxb-test", "CALLWATCH_SLACK_CHANNEL=#voice", "CALLWATCH_SLACK_API_URL=" + slack}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"notify", "test", "-o", "ndjson"}, cli.ExitFine, `{"to":"#voice","link":`},
		{[]string{"silence", "expire", "sil_1", "--url", server.URL, "-o", "ndjson"}, cli.ExitFine, `{"id":"sil_1","ended":true}`},
		{[]string{"silence", "expire", "sil_1", "sil_2", "--url", server.URL, "-o", "ndjson"}, cli.ExitProblems, `{"id":"sil_1","ended":true}`},
		{[]string{"healthcheck", "--url", server.URL, "-o", "ndjson"}, cli.ExitFine, `{"ready":true,"status":200}`},
		{[]string{"healthcheck", "--url", starting.URL, "-o", "ndjson"}, cli.ExitProblems, `{"ready":false,"status":404}`},
	} {
		code, out, errs := command(t, t.Context(), environ, c.args...)
		if code != c.code || !strings.HasPrefix(out, c.want) || strings.Count(out, "\n") != 1 || !json.Valid([]byte(out)) {
			t.Errorf("%v: exit %d, %q, %q; want %d, %s", c.args, code, out, errs, c.code, c.want)
		}
	}
}
