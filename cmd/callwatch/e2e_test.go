package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/notifier/slackfake"
	"callwatch/pipeline/stage"
)

// process is a callwatch that runs as a process of its own, so that it can be
// killed.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	base string
	log  *bytes.Buffer
}

func testSecrets(t *testing.T) simulate.Secrets {
	t.Helper()
	secrets, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// start runs `callwatch serve` on a data directory and waits until it is ready.
// more is further environment, over the rest.
func start(t *testing.T, dir, rules, slackURL string, secrets simulate.Secrets, more ...string) *process {
	t.Helper()
	long(t)
	p := &process{t: t, base: "http://" + freeAddress(t), log: &bytes.Buffer{}}
	p.cmd = child(t, "serve")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = append(secretsEnviron(secrets),
		"CALLWATCH_TEST_RUN=1", "CALLWATCH_LISTEN="+strings.TrimPrefix(p.base, "http://"), "CALLWATCH_DATA_DIR="+dir,
		"CALLWATCH_RULES="+rules, "CALLWATCH_PUBLIC_URL="+p.base, "CALLWATCH_SLACK_TOKEN=xoxb-test", "CALLWATCH_SLACK_CHANNEL=#voice",
		"CALLWATCH_SLACK_API_URL="+slackURL, "CALLWATCH_SLACK_RATE=200", "HOME="+os.Getenv("HOME"),
	)
	p.cmd.Env = append(p.cmd.Env, more...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Log("callwatch said:\n" + p.log.String())
		}
	})
	eventually(t, "callwatch is ready", func() bool {
		res, err := http.Get(p.base + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode == http.StatusOK
	})
	return p
}

func secretsEnviron(secrets simulate.Secrets) []string {
	var env []string
	for provider, keys := range secrets.Receive {
		p, _ := registry.Find(provider)
		for setting, values := range keys {
			env = append(env, p.EnvName(setting)+"="+strings.Join(values, ","))
		}
	}
	return env
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// metric is one sample of /metrics, "" where there is none.
func (p *process) metric(name string) string {
	res, err := http.Get(p.base + "/metrics")
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, 2*time.Minute, what, ok)
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		asked := time.Now()
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(max(20*time.Millisecond, min(4*time.Since(asked), time.Second))) // what is waited for needs the processor too
	}
}

func fakeSlackServer(t *testing.T, channels ...string) (*slackfake.Server, string) {
	t.Helper()
	slack := slackfake.New(slackfake.Config{Now: time.Now, Channels: channels, Token: "xoxb-test"})
	srv := httptest.NewServer(slack)
	t.Cleanup(srv.Close)
	return slack, srv.URL + "/api/"
}

// rootsByIncident counts the root messages of each incident.
func rootsByIncident(slack *slackfake.Server) map[string]int {
	roots := map[string]int{}
	for _, t := range slack.Threads() {
		roots[fmt.Sprint(t.Root.Metadata.EventPayload["incident"])]++
	}
	return roots
}

// openedThreads are the calls that were announced. Which value a thread opened
// with depends on the order in which webhooks that overtook each other arrived.
func openedThreads(slack *slackfake.Server) []string {
	var calls []string
	for _, t := range slack.Threads() {
		first, _, _ := strings.Cut(t.Root.Shown, "\n")
		_, call, _ := strings.Cut(first, " on ")
		calls = append(calls, call)
	}
	slices.Sort(calls)
	return calls
}

const badCallRule = `rules:
  - name: bad-call
    when: packetsLost > 50 || mos < 3.5
    by: [provider, callId]
`

func writeRules(t *testing.T, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// traffic is a fixed mix of all providers, bad calls among them.
func traffic(t *testing.T, secrets simulate.Secrets, count int) []simulate.Request {
	t.Helper()
	share := 0.3
	seq, err := simulate.Traffic(simulate.Options{
		Sources: registry.Simulators(),
		Seed:    11, Count: count, Rate: 1000, Bad: &share, Start: time.Now().Add(-time.Minute), Secrets: secrets,
	})
	if err != nil {
		t.Fatal(err)
	}
	requests := slices.Collect(seq)
	for i := range requests {
		requests[i].At = 0 // as fast as they are taken
	}
	return requests
}

func (p *process) send(requests iter.Seq[simulate.Request]) simulate.Totals {
	p.t.Helper()
	totals, err := simulate.Sender{Target: simulate.Target{URL: p.base}, Now: time.Now}.Send(p.t.Context(), requests)
	if err != nil {
		p.t.Fatal(err)
	}
	if totals.Unexpected > 0 || totals.Failed > 0 {
		p.t.Fatalf("answers: %+v", totals)
	}
	return totals
}

// settled waits until everything accepted was normalized, judged and announced.
func (p *process) settled() {
	p.t.Helper()
	p.idle(stage.NormalizeLease, stage.JudgeLease, stage.AnnounceLease)
}

// idle waits until stages have nothing left to do, one after the other.
func (p *process) idle(stages ...string) {
	p.t.Helper()
	for _, stage := range stages {
		within(p.t, 2*time.Minute, stage+" has nothing left to do", func() bool {
			return p.metric(`callwatch_backlog_messages{stage="`+stage+`"}`) == "0"
		})
	}
}

// A signed webhook in, exact Slack calls out, once: although callwatch is killed
// with -9 in between and the provider sends everything again.
func TestKilledInTheMiddle(t *testing.T) {
	long(t)
	t.Parallel()
	secrets := testSecrets(t)
	requests := traffic(t, secrets, 60)

	// What should be announced: the same traffic on a callwatch that is left alone.
	calm, calmURL := fakeSlackServer(t)
	undisturbed := start(t, t.TempDir(), writeRules(t, badCallRule), calmURL, secrets)
	undisturbed.send(slices.Values(requests))
	undisturbed.settled()
	undisturbed.kill()
	want := openedThreads(calm)
	if len(want) < 5 {
		t.Fatalf("only %d incidents in the traffic: %q", len(want), want)
	}

	slack, slackURL := fakeSlackServer(t)
	dir, rules := t.TempDir(), writeRules(t, badCallRule)
	step := len(requests)/4 + 1
	for part := range slices.Chunk(requests, step) {
		p := start(t, dir, rules, slackURL, secrets)
		p.send(slices.Values(part))
		p.kill() // with whatever it was doing at that moment
	}
	p := start(t, dir, rules, slackURL, secrets)
	p.send(slices.Values(requests[:step])) // the provider sends some again
	p.settled()

	for incident, n := range rootsByIncident(slack) {
		if n != 1 {
			t.Errorf("incident %s has %d roots", incident, n)
		}
	}
	if got := openedThreads(slack); !slices.Equal(got, want) {
		t.Errorf("announced %d incidents, want %d\n got %q\nwant %q", len(got), len(want), got, want)
	}
}

// What the operator reads, for one call, to the word.
func TestOneCallToTheWord(t *testing.T) {
	t.Parallel()
	secrets := testSecrets(t)
	slack, slackURL := fakeSlackServer(t)
	p := start(t, t.TempDir(), writeRules(t, "rules:\n  - name: bad-call\n    when: packetsLost > 50 || mos < 3.5\n"), slackURL, secrets)
	body := `{"event":"voice.outbound","service":"channels","payload":{"id":"8a4c2c50-7a10-4f0c-9f43-9d0b7f0b2f10","channelId":"c1",
	  "status":"completed","direction":"outgoing","from":"+15550100001","to":"+15550100002","duration":40,
	  "mediaMetrics":{"mos":3.12,"inMediaPacketCount":2000,"jitterLossRate":0.01,"flawTotal":40,"readCodecName":"PCMU"}}}`
	request := findRequest(t, traffic(t, secrets, 200), "bird", "MessageBird-Signature")
	request.Body = []byte(body)
	for range 3 { // retries of the provider
		p.send(slices.Values([]simulate.Request{request}))
	}
	p.settled()

	threads := slack.Threads()
	if len(threads) != 1 || len(threads[0].Replies) != 1 {
		t.Fatalf("%d threads: %+v", len(threads), threads)
	}
	for _, part := range []string{"mos (3.12) < 3.5", "Bird"} {
		if !strings.Contains(threads[0].Root.Shown, part) {
			t.Errorf("root lacks %q:\n%s", part, threads[0].Root.Shown)
		}
		if !strings.Contains(threads[0].Replies[0].Shown, part) {
			t.Errorf("first reply lacks %q:\n%s", part, threads[0].Replies[0].Shown)
		}
	}
	if strings.Contains(threads[0].Root.Shown, "5550100001") {
		t.Errorf("a number is shown in full:\n%s", threads[0].Root.Shown)
	}
}

func findRequest(t *testing.T, requests []simulate.Request, provider, kind string) simulate.Request {
	t.Helper()
	i := slices.IndexFunc(requests, func(r simulate.Request) bool {
		return r.Provider == provider && r.Kind == "voice.outbound" && r.Expect == simulate.Normalized
	})
	if i < 0 {
		t.Fatalf("the traffic has no %s of %s", kind, provider)
	}
	return requests[i]
}

// Answers to what is not right, and what becomes of it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	secrets := testSecrets(t)
	slack, slackURL := fakeSlackServer(t)
	p := start(t, t.TempDir(), writeRules(t, badCallRule), slackURL, secrets)
	post := func(path, contentType, body string) (int, string) {
		t.Helper()
		res, err := http.Post(p.base+path, contentType, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	token := secrets.Receive["butter"][normalizer.URLToken][0]
	for name, c := range map[string]struct {
		path, contentType, body string
		want                    int
	}{
		"unsigned":         {"/webhooks/telnyx", "application/json", `{"data":{}}`, 401},
		"wrong token":      {"/webhooks/butter/wrong", "application/json", `{}`, 401},
		"unknown provider": {"/webhooks/nobody", "application/json", `{}`, 404},
		"too large":        {"/webhooks/butter/" + token, "application/json", strings.Repeat("x", cli.MaxBody+1), 413},
		"content type":     {"/webhooks/butter/" + token, "image/png", "x", 415},
		"cannot be parsed": {"/webhooks/butter/" + token, "application/json", `{"call_sid":`, 200},
	} {
		if got, body := post(c.path, c.contentType, c.body); got != c.want {
			t.Errorf("%s: answered %d %s, want %d", name, got, body, c.want)
		}
	}
	eventually(t, "the body that cannot be parsed is a dead letter", func() bool {
		return p.metric(`callwatch_dead_letters_total{provider="butter"}`) == "1"
	})
	if n := len(slack.Calls()); n != 0 {
		t.Errorf("%d calls to Slack", n)
	}
}

// The demo shows the main job at work, and ends by itself.
func TestDemo(t *testing.T) {
	long(t)
	var out, errs bytes.Buffer
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	code := run(ctx, []string{"demo", "--for", "8s", "--rate", "10", "--bad", "20%", "--seed", "3", "--listen", "127.0.0.1:0"}, nil, nil, &out, &errs)
	if code != cli.ExitFine {
		t.Fatalf("exit %d\n%s%s", code, &out, &errs)
	}
	var webhooks, events, incidents, messages int
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if _, err := fmt.Sscanf(lines[len(lines)-1], "%d webhooks, %d events, %d incidents, %d Slack messages", &webhooks, &events, &incidents, &messages); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	if webhooks < 100 || events < 100 || incidents < 2 || messages < 2 { // some of the incidents are of rules in shadow
		t.Errorf("%s\n%s", lines[len(lines)-1], &errs)
	}
}

// The console of serve --dev shows what came in unsigned.
func TestDevConsole(t *testing.T) {
	t.Parallel()
	log := testLogger(t)
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.Rules = t.TempDir(), "127.0.0.1:0", writeRules(t, networkRule)
	a, err := newApp(t.Context(), cfg, devMode, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	answersAll(t, a)
	const empty = "No call has come yet"
	overview := func() string {
		res, err := http.Get("http://" + a.server.Addr().String() + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		page, _ := io.ReadAll(res.Body)
		return string(page)
	}
	if page := overview(); !strings.Contains(page, empty) || !strings.Contains(page, "<code>callwatch doctor</code>") {
		t.Errorf("the overview of an empty store does not say how to connect a provider:\n%s", page)
	}
	body := `{"call_sid":"call_0123456789ab","status":"failed","duration":0,"timestamp":"2026-11-01T12:00:45Z","error_code":503,"error_message":"<b>no route</b>"}`
	res, err := http.Post("http://"+a.server.Addr().String()+"/webhooks/butter", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Status, ID string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Status != "accepted" || answer.ID == "" {
		t.Errorf("answer %+v, %v", answer, err)
	}
	eventually(t, "the call failure is announced", func() bool {
		p := a.preview.Snapshot()
		return len(p.Events) == 1 && len(p.Incidents) == 1 && len(p.Threads) == 1 && len(p.Threads[0].Replies) == 1
	})
	page, err := http.Get("http://" + a.server.Addr().String() + "/slack")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.Body.Close() }()
	html, _ := io.ReadAll(page.Body)
	if !bytes.Contains(html, []byte("call-failures")) || bytes.Contains(html, []byte("<b>no route")) {
		t.Errorf("page lacks the incident, or holds a provider's markup:\n%s", html)
	}
	if page := overview(); strings.Contains(page, empty) {
		t.Error("the overview takes a store with a call for empty")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
