package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"callwatch"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/cmd/callwatch/internal/pastevents"
	"callwatch/cmd/callwatch/internal/rulescmd"
	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
)

const liveRules = `rules:
  - name: bad-call
    when: packetsLost > 50 || mos < 3.5
    severity: {critical: mos < 3, warning: packetsLost > 50 || mos < 3.5}
    resolve_after: 2s
    cooldown: 1s
  - name: failed
    when: sipCode >= 500
    by: [provider, sipCode]
    resolve_after: 1s
  - name: unheard
    when: oneWayAudio
    resolve_after: 3s
    mode: shadow
`

// What serve did with webhooks is what backtest says of its store, to the
// transition and to the Slack message.
func TestBacktestEqualsServe(t *testing.T) {
	long(t)
	t.Parallel()
	secrets := testSecrets(t)
	slack, slackURL := fakeSlackServer(t)
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", secrets)
	cfg.Rules = writeRules(t, liveRules)
	cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 200}
	serveUntilResolved(t, cfg, traffic(t, secrets, 80))

	src, err := pastevents.New(&cobra.Command{}, &pastevents.Flags{}, &cfg, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := rulescmd.PlanBacktest(&cfg, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var made []rules.Transition
	test := backtest.New(plan.Set, plan.Options)
	err = src.Each(t.Context(), func(m eventlog.Moment) error {
		if m.Event == nil {
			made = append(made, test.Tick(m.At)...)
		} else {
			made = append(made, test.Event(m.At, m.Event)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := storedTransitions(t, cfg)
	if len(want) < 10 {
		t.Fatalf("only %d transitions to compare", len(want))
	}
	for i := range made {
		made[i].Cause = rules.Cause{}
	}
	if diff := gocmp.Diff(asText(t, want), asText(t, made)); diff != "" {
		t.Errorf("serve and backtest differ (-serve +backtest):\n%s", diff)
	}
	posted := 0
	for _, thread := range slack.Threads() {
		posted += 1 + len(thread.Replies)
	}
	if got := test.Report().Messages; got != posted {
		t.Errorf("backtest counts %d messages, serve posted %d", got, posted)
	}
}

// serveUntilResolved takes the requests, waits until every incident they open is
// resolved and told, and stops.
func serveUntilResolved(t *testing.T, cfg config.Config, requests []simulate.Request) {
	t.Helper()
	long(t)
	a, err := newApp(t.Context(), cfg, serving, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	p := &process{t: t, base: "http://" + a.server.Addr().String()}
	p.send(slices.Values(requests))
	p.settled()
	eventually(t, "all incidents are resolved", func() bool {
		open := -1
		a.judge.Look(func(g *engine.Engine) { open = len(g.Incidents()) })
		return open == 0
	})
	p.settled()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func storedTransitions(t *testing.T, cfg config.Config) []rules.Transition {
	t.Helper()
	store, err := stream.Open(t.Context(), cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	last, err := store.LastTransitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []rules.Transition
	for _, l := range last {
		history, err := store.History(t.Context(), l.Rule, l.Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range history {
			var tr rules.Transition
			if err := json.Unmarshal(st.Data, &tr); err != nil {
				t.Fatal(err)
			}
			all = append(all, tr)
		}
	}
	slices.SortFunc(all, func(a, b rules.Transition) int {
		return cmp.Or(cmp.Compare(a.Cause.Seq, b.Cause.Seq), cmp.Compare(a.Cause.Index, b.Cause.Index))
	})
	for i := range all {
		all[i].Cause = rules.Cause{}
	}
	return all
}

func asText(t *testing.T, list []rules.Transition) []string {
	t.Helper()
	var out []string
	for i := range list {
		b, err := json.Marshal(list[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// fixture is what a few simulated calls of every provider become.
func fixture(t testing.TB, calls int, rate float64) []byte {
	t.Helper()
	start := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	secrets, err := registry.Simulators().Generate(rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	share := 0.3
	requests, err := simulate.Traffic(simulate.Options{Sources: registry.Simulators(), Seed: 7, Count: calls, Rate: rate, Bad: &share, Start: start, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for r := range requests {
		p, _ := registry.Find(r.Provider)
		events, err := normalizer.Events(p, &normalizer.Body{
			Provider: p.Name, Source: normalizer.Pushed, ContentType: r.Header.Get("Content-Type"), Bytes: r.Body,
			ReceivedAt: start.Add(r.At).Truncate(time.Millisecond),
		}, normalizer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			line, err := events[i].JSON()
			if err != nil {
				t.Fatal(err)
			}
			out.Write(append(line, '\n'))
		}
	}
	return out.Bytes()
}

// callwatchSays runs callwatch in this process.
func callwatchSays(t testing.TB, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, nil, stdin, &out, &err)
	return out.String(), err.String(), code
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata/backtest", name)
	if *providertest.Update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

const eventsFile = "testdata/backtest/events.ndjson"

// To the word, for a person and for a program.
func TestBacktestOutput(t *testing.T) {
	t.Parallel()
	if *providertest.Update {
		if err := os.WriteFile(eventsFile, fixture(t, 24, 0.05), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	with := []string{"backtest", "--events", eventsFile, "--rules", "testdata/backtest/rules.yaml"}
	for name, more := range map[string][]string{
		"report.txt":      nil,
		"report.json":     {"-o", "json"},
		"report.ndjson":   {"-o", "ndjson"},
		"compared.txt":    {"--baseline", "testdata/backtest/baseline.yaml"},
		"compared.ndjson": {"--baseline", "testdata/backtest/baseline.yaml", "-o", "ndjson"},
	} {
		stdout, stderr, code := callwatchSays(t, nil, slices.Concat(with, more)...)
		if code != cli.ExitFine || stderr != "" {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
		golden(t, name, stdout)
	}
	stdout, stderr, code := callwatchSays(t, nil, "backtest", "--events", eventsFile, "--rules", "testdata/backtest/held.yaml")
	if code != cli.ExitFine || stderr != "" {
		t.Errorf("held back: exit %d: %s", code, stderr)
	}
	golden(t, "held.txt", stdout)
	stdout, stderr, code = callwatchSays(t, nil, "rules", "suggest", "mos", "--by", "provider", "--events", eventsFile)
	if code != cli.ExitFine || stderr != "" {
		t.Errorf("suggest: exit %d: %s", code, stderr)
	}
	golden(t, "suggest.txt", stdout)
}

// The same events give the same report, however they are packed and whatever
// order a small file has.
func TestBacktestSources(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile(eventsFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(plain)), "\n")
	shuffled := slices.Clone(lines)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}

	with := []string{"backtest", "--rules", "testdata/backtest/rules.yaml", "-o", "json", "--events", "-"}
	want, _, _ := callwatchSays(t, bytes.NewReader(plain), with...)
	for name, in := range map[string]string{
		"gzip": packed.String(), "array": " [" + strings.Join(lines, ",\n") + "]\n",
		"no last newline": strings.Join(lines, "\n"), "blank lines": "\n" + strings.Join(lines, "\r\n\n"),
		"shuffled": strings.Join(shuffled, "\n"),
	} {
		got, stderr, code := callwatchSays(t, strings.NewReader(in), with...)
		if code != cli.ExitFine || got != want {
			t.Errorf("%s: exit %d %s\n%s", name, code, stderr, gocmp.Diff(want, got))
		}
	}

	for name, in := range map[string]string{
		"line 3: not an event":                         strings.Join(slices.Concat(lines[:2], []string{"{}"}, lines[3:]), "\n"),
		"element 2: not an event: kind is missing":     "[" + lines[0] + `,{"provider":"x","callId":"y"}]`,
		"the array does not end":                       "[" + lines[0],
		"unexpected EOF":                               packed.String()[:packed.Len()/2],
		"line 1 is longer":                             `{"provider":"` + strings.Repeat("x", eventlog.MaxLine+eventlog.BlockSize),
		`kind is "over", not progress`:                 `{"kind":"over","provider":"x","callId":"y"}`,
		"provider and callId name the call":            `{"kind":"ended","provider":"x"}`,
		"unpack":                                       "\x1f\x8bnothing",
		"line 1: not an event: json: cannot unmarshal": `{"kind":"ended","provider":"x","callId":"y","mos":"good"}`,
	} {
		stdout, stderr, code := callwatchSays(t, strings.NewReader(in), with...)
		if code != cli.ExitProblems || !strings.Contains(stderr, name) || stdout != "" {
			t.Errorf("%s: exit %d, says %q and prints %q", name, code, stderr, stdout)
		}
	}
}

// Raw bodies give what their events give.
func TestBacktestPayloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"bird/1.json":     `{"event":"voice.outbound","service":"channels","payload":{"id":"leg-1","channelId":"c1","status":"completed","direction":"outgoing","duration":40,"updatedAt":"2026-11-02T09:00:40Z","mediaMetrics":{"mos":3.12}}}`,
		"bird/broken":     `{"event":`,
		"bird/.hidden":    `{"event":`,
		"nobody/1.json":   `{}`,
		"bird/sub/2.json": `{"event":"voice.outbound","service":"channels","payload":{"id":"leg-2","channelId":"c1","status":"completed","direction":"outgoing","duration":40,"updatedAt":"2026-11-02T09:10:40Z","mediaMetrics":{"mos":4.2}}}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	with := []string{"backtest", "--rules", "testdata/backtest/rules.yaml", "-o", "json"}
	stdout, stderr, code := callwatchSays(t, nil, append(with, "--payloads", dir)...)
	var report backtest.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	if code != cli.ExitFine || report.Events != 2 || report.Calls != 2 || report.Rules[0].Matched != 1 {
		t.Errorf("exit %d: %+v", code, report)
	}
	for _, part := range []string{"bird/broken", "nobody"} {
		if !strings.Contains(stderr, part) {
			t.Errorf("nothing is said of %s: %s", part, stderr)
		}
	}
	if strings.Contains(stderr, "hidden") {
		t.Errorf("a hidden file was read: %s", stderr)
	}
	alone, _, code := callwatchSays(t, nil, append(with, "--payloads", filepath.Join(dir, "bird/sub"), "--provider", "bird")...)
	if code != cli.ExitFine || !strings.Contains(alone, `"events": 1,`) {
		t.Errorf("exit %d: %s", code, alone)
	}
}

// BenchmarkBacktest is events a second through the shipped rules, from a file
// and from the store.
func BenchmarkBacktest(b *testing.B) {
	events := fixture(b, 20_000, 20)
	file := filepath.Join(b.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, events, 0o600); err != nil {
		b.Fatal(err)
	}
	cfg := defaultConfig()
	cfg.DataDir = filepath.Join(b.TempDir(), "data")
	storeEvents(b, cfg, events)
	set, _ := rulefmt.Load("rules.yaml", callwatch.Rules)
	for name, flags := range map[string]pastevents.Flags{"file": {Events: file}, "store": {}} {
		b.Run(name, func(b *testing.B) {
			total := 0
			for b.Loop() {
				src, err := pastevents.New(&cobra.Command{}, &flags, &cfg, time.Now())
				if err != nil {
					b.Fatal(err)
				}
				report, err := (&rulescmd.Plan{Set: set}).Run(b.Context(), src)
				if err != nil {
					b.Fatal(err)
				}
				total += report.Events
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func storeEvents(b *testing.B, cfg config.Config, lines []byte) {
	b.Helper()
	store, err := stream.Open(b.Context(), cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		b.Fatal(err)
	}
	if _, _, _, err := store.LastPublished(b.Context()); err != nil {
		b.Fatal(err)
	}
	var batch []stream.Event
	n := 0
	for line := range bytes.Lines(lines) {
		n++
		batch = append(batch, stream.Event{Provider: "acme", Kind: "ended", ID: "x", Raw: stream.Position{Seq: 1, Index: n}, Data: bytes.TrimSpace(line)})
		if len(batch) == 1000 {
			if err := store.PublishEvents(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := store.PublishEvents(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
	if err := store.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
