package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/maintenance"
	"callwatch/rules/backtest"
	"callwatch/stream"
)

// everyCall matches whatever it judges.
const everyCall = `rules:
  - name: any
    when: callId != ""
    by: [provider, callId]
    resolve_after: 1s
`

// fakeAPI is a provider's API with calls of the last days, and the environment of
// a callwatch that may ask it.
func fakeAPI(t *testing.T, provider string, calls int) (*providerfake.Server, []string) {
	t.Helper()
	named, err := registry.FakeAPI(provider, "")
	if err != nil {
		t.Fatal(err)
	}
	api := providerfake.New(named, providerfake.Options{Seed: 3, Now: time.Now})
	const days = 6 * 24 * time.Hour
	api.Make(calls, providerfake.Making{First: time.Now().Add(-days), Every: (days - time.Hour) / time.Duration(calls)})
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	p, _ := registry.Find(provider)
	var env []string
	for setting, values := range api.Keys(srv.URL) {
		env = append(env, p.EnvName(setting)+"="+strings.Join(values, ","))
	}
	return api, env
}

// says runs callwatch in this process on a data directory.
func says(t *testing.T, env []string, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, env, stdin, &out, &errs)
	return out.String(), errs.String(), code
}

// answerOf runs a command that has to end well, and reads its JSON.
func answerOf[T any](t *testing.T, env []string, stdin io.Reader, args ...string) (v T) {
	t.Helper()
	stdout, stderr, code := says(t, env, stdin, append(args, "-o", "json")...)
	if code != cli.ExitFine {
		t.Fatalf("%v: exit %d: %s%s", args, code, stdout, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("%v says %s: %v", args, stdout, err)
	}
	return v
}

// inStore opens the store of a stopped callwatch.
func inStore(t *testing.T, dir string, fn func(*stream.Store)) {
	t.Helper()
	cfg := defaultConfig()
	cfg.DataDir = dir
	store, err := stream.Open(t.Context(), cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	fn(store)
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// eventsByCall counts the stored events of each call.
func eventsByCall(t *testing.T, dir string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	inStore(t, dir, func(store *stream.Store) {
		err := store.EventsOf(t.Context(), "", func(m stream.Message) error {
			counts[m.CallID()]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return counts
}

// An import that is killed goes on where it stopped: each call is there once, no
// alert is sent, and backtest sees the calls at their own times.
func TestImportIsKilledAndGoesOn(t *testing.T) {
	long(t)
	t.Parallel()
	calls := 1500
	if n, err := strconv.Atoi(os.Getenv("CALLWATCH_TEST_IMPORT")); err == nil {
		calls = n // 10000 for the whole proof
	}
	api, env := fakeAPI(t, "atoms", calls)
	dir := filepath.Join(t.TempDir(), "data")
	rules := writeRules(t, everyCall)
	env = append(env, "CALLWATCH_DATA_DIR="+dir, "CALLWATCH_RULES="+rules)
	command := []string{"import", "atoms", "--since", "7d"}

	pages := calls / 100
	for kill := range 2 { // with -9, somewhere among the pages
		cmd := child(t, command...)
		cmd.Env = append(env, "CALLWATCH_TEST_RUN=1", "HOME="+os.Getenv("HOME"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := len(api.Requests())
		eventually(t, "the import is under way", func() bool { return len(api.Requests()) >= before+max(pages/4, 2) })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if kill == 0 {
			if n := len(eventsByCall(t, dir)); n >= calls {
				t.Fatalf("%d calls are there already: the import was not interrupted", n)
			}
		}
	}
	done := answerOf[maintenance.Imported](t, env, nil, command...)
	if !done.Resumed || done.Bad > 0 || done.Stored == 0 || done.Stored >= calls {
		t.Errorf("the last run: %+v", done)
	}
	requests := len(api.Requests())
	counts := eventsByCall(t, dir)
	for id, n := range counts {
		if n != 1 {
			t.Errorf("call %s has %d events", id, n)
		}
	}
	if len(counts) != calls {
		t.Errorf("%d calls are stored, want %d", len(counts), calls)
	}
	if most := pages + 10; requests > most {
		t.Errorf("%d requests for %d pages: it began again", requests, pages)
	}

	again := answerOf[maintenance.Imported](t, env, nil, command...)
	if again.Stored != 0 || again.Known != calls || again.Resumed {
		t.Errorf("a second import: %+v", again)
	}

	report := answerOf[rulesReport](t, env, nil, "backtest", "--since", "7d", "--rules", rules)
	if report.Events != calls || report.Calls != calls || report.Matched != calls {
		t.Errorf("backtest sees %d events of %d calls, %d matched; want %d", report.Events, report.Calls, report.Matched, calls)
	}
	if span := report.To.Sub(report.From); span < 5*24*time.Hour || report.To.After(time.Now()) {
		t.Errorf("backtest sees them from %v to %v", report.From, report.To)
	}
	half := answerOf[rulesReport](t, env, nil, "backtest", "--since", "3d", "--rules", rules)
	if share := float64(half.Events) / float64(calls); share < 0.4 || share > 0.6 {
		t.Errorf("the last three of six days have %d of %d calls", half.Events, calls)
	}

	slack, slackURL := fakeSlackServer(t)
	p := start(t, dir, rules, slackURL, testSecrets(t))
	p.settled()
	p.kill()
	if n := len(slack.Threads()); n != 0 {
		t.Errorf("%d threads about imported calls", n)
	}
	inStore(t, dir, func(store *stream.Store) {
		if last, err := store.LastTransitions(t.Context()); err != nil || len(last) != 0 {
			t.Errorf("%d incidents of imported calls, %v", len(last), err)
		}
	})
}

type rulesReport = backtest.Report

// A running callwatch imports too, of every provider, with faults on the way.
func TestImportByRunningCallwatch(t *testing.T) {
	long(t)
	t.Parallel()
	slack, slackURL := fakeSlackServer(t)
	cfg := demoConfig(registry.Providers(), t.TempDir(), "127.0.0.1:0", testSecrets(t))
	cfg.Rules = writeRules(t, everyCall)
	cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: slackURL, Rate: 200}
	cfg.AdminToken = "secret-token"
	want := map[string]int{}
	for _, p := range registry.Providers() {
		api, _ := fakeAPI(t, p.Name, 20)
		api.SetFaults(providerfake.Faults{Throttle: 0.1, Fail: 0.05})
		srv := httptest.NewServer(api)
		t.Cleanup(srv.Close)
		for setting, values := range api.Keys(srv.URL) {
			cfg.SetProvider(p.Name, setting, config.Secret(strings.Join(values, ",")))
		}
		want[p.Name] = 20
	}
	want["signalwire"] += 10 // every second call is in two lists, under the id of its segment in one
	base := "http://" + serveApp(t, cfg, nil).server.Addr().String()
	env := []string{"CALLWATCH_ADMIN_TOKEN=secret-token"}
	got := map[string]int{}
	for name := range want {
		done := answerOf[maintenance.Imported](t, env, nil, "import", name, "--since", "7d", "--url", base)
		got[name] = done.Calls
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("imported calls (-want +got):\n%s", diff)
	}
	if _, stderr, code := says(t, env, nil, "import", "nobody", "--url", base); code != cli.ExitProblems || !strings.Contains(stderr, "no provider") {
		t.Errorf("an unknown provider: exit %d, %s", code, stderr)
	}
	if _, stderr, code := says(t, nil, nil, "import", "atoms", "--url", base); code != cli.ExitUsage {
		t.Errorf("without a token: exit %d, %s", code, stderr)
	}
	if n := len(slack.Calls()); n != 0 {
		t.Errorf("%d calls to Slack", n)
	}
}

func TestImportFile(t *testing.T) {
	long(t)
	t.Parallel()
	body := func(id string) string {
		return fmt.Sprintf(`{"call_sid":%q,"status":"completed","duration":12,"timestamp":"2026-11-01T12:00:45Z"}`, id)
	}
	a, b, c := body("call_00000000000a"), body("call_00000000000b"), body("call_00000000000c")
	pack := func(s string) string {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = io.WriteString(z, s)
		_ = z.Close()
		return out.String()
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(a), "", "  "); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		file        string
		stored, bad int
		says        string
	}{
		"lines":       {file: a + "\n\n" + b + "\r\n" + c, stored: 3},
		"array":       {file: "[" + a + ",\n" + b + "]", stored: 2},
		"gzip":        {file: pack(a + "\n" + b + "\n"), stored: 2},
		"one object":  {file: pretty.String(), stored: 1},
		"twice":       {file: a + "\n" + a + "\n" + b, stored: 2},
		"bad lines":   {file: a + "\n{\"call\n" + b + "\n{}\n", stored: 2, bad: 2, says: "line 2 is no JSON"},
		"no body":     {file: a + "\n[1]\n", stored: 1, bad: 1, says: "line 2: normalize butter body"},
		"broken off":  {file: pack(a + "\n" + b + "\n")[:80], stored: 0, bad: 1, says: "the rest was not read"},
		"no end":      {file: "[" + a, stored: 1, bad: 1, says: "the array does not end"},
		"long line":   {file: a + "\n" + strings.Repeat("x", cli.MaxBody+eventlog.BlockSize+1) + "\n", stored: 1, bad: 1, says: "longer than"},
		"long member": {file: "[" + a + `,"` + strings.Repeat("x", cli.MaxBody+2*eventlog.BlockSize) + `"]`, stored: 1, bad: 1, says: "longer than"},
		"nothing":     {file: ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := []string{"CALLWATCH_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
			stdout, stderr, code := says(t, env, strings.NewReader(x.file), "import", "butter", "--file", "-", "-o", "json")
			var done maintenance.Imported
			if err := json.Unmarshal([]byte(stdout), &done); err != nil {
				t.Fatalf("%s%s: %v", stdout, stderr, err)
			}
			if want := min(x.bad, 1); code != want || done.Stored != x.stored || done.Bad != x.bad || !strings.Contains(strings.Join(done.Problems, "\n"), x.says) {
				t.Errorf("exit %d, %+v %s", code, done, stderr)
			}
		})
	}
}

// serveApp runs callwatch in this process until the test ends or stop is called.
func serveApp(t *testing.T, cfg config.Config, change func(*config.Config)) *app {
	t.Helper()
	a, stop := runApp(t, cfg, change)
	t.Cleanup(stop)
	return a
}

// runApp runs callwatch in this process until stop is called, which waits for its end.
func runApp(t *testing.T, cfg config.Config, change func(*config.Config)) (a *app, stop func()) {
	t.Helper()
	long(t)
	if change != nil {
		change(&cfg)
	}
	a, err := newApp(t.Context(), cfg, serving, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	answersAll(t, a)
	return a, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
