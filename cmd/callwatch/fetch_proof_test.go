package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/stage"
	"callwatch/stream"
)

var proofCalls = flag.Int("fetch-calls", 60, "calls of each provider in TestEveryReportIsFetched")

// proofDelays are the providers' back-off in small.
func proofDelays() []time.Duration {
	return []time.Duration{300 * time.Millisecond, 700 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second}
}

const proofToken = "proof-token"

// runPaced is `callwatch serve` with another back-off than the providers'.
func runPaced(pace string) int {
	_ = os.Unsetenv("CALLWATCH_TEST_PACE")
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg, err := config.Read("", os.Environ(), registry.Providers())
	if err == nil {
		err = cfg.Check()
	}
	for part := range strings.SplitSeq(pace, ",") {
		d, bad := time.ParseDuration(part)
		if bad != nil {
			err = bad
		}
		cfg.Pace.Delays = append(cfg.Pace.Delays, d)
	}
	cfg.Pace.Rate = 500
	if err == nil {
		var a *app
		if a, err = newApp(context.Background(), cfg, serving, log); err == nil {
			err = a.run(context.Background())
		}
	}
	log.Error("ended", "err", err)
	return cli.ExitRuntime
}

// faulty is a provider's API with its bad days, and who was asked for when.
type faulty struct {
	api   *providerfake.Server
	calls []providerfake.Call
	url   string

	mu    sync.Mutex
	asked map[string][]request // by call and path
}

type request struct {
	at     time.Time
	status int
}

func startFaulty(t *testing.T, provider string, seed uint64, n int) *faulty {
	t.Helper()
	long(t)
	fakeAPI, err := registry.FakeAPI(provider, "")
	if err != nil {
		t.Fatal(err)
	}
	api := providerfake.New(fakeAPI, providerfake.Options{Seed: seed, Now: time.Now})
	api.SetFaults(providerfake.Faults{Throttle: 0.1, Fail: 0.05, FirstEmpty: 0.05, RetryAfter: time.Second})
	f := &faulty{api: api, asked: map[string][]request{}}
	f.calls = api.Make(n, providerfake.Making{First: time.Now(), Delay: func(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(6 * time.Second))) }})
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// ServeHTTP notes each call that is asked for, also of those asked for together.
func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	written := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	f.api.ServeHTTP(written, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		for _, id := range append(c.Also, c.ID) {
			whole, in := r.URL.Path+"?"+r.URL.RawQuery, r.URL.Path
			if strings.Contains(string(body), `"`+id+`"`) {
				whole, in = id, "/"+id
			}
			if strings.Contains(whole, id) {
				in = strings.ReplaceAll(in, "/conversation", "") // of Atoms: alone or together, it is the same
				f.asked[c.ID+" "+in] = append(f.asked[c.ID+" "+in], request{at, written.status})
				break
			}
		}
	}
}

// startPaced runs callwatch in a process of its own, with the providers' APIs.
func startPaced(t *testing.T, dir, slackURL string, apis map[string]*faulty, pauses ...time.Duration) *process {
	t.Helper()
	p := &process{t: t, base: "http://" + freeAddress(t), log: &bytes.Buffer{}}
	var delays []string
	for _, d := range pauses {
		delays = append(delays, d.String())
	}
	p.cmd = child(t)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = []string{
		"CALLWATCH_TEST_PACE=" + strings.Join(delays, ","), "CALLWATCH_LISTEN=" + strings.TrimPrefix(p.base, "http://"),
		"CALLWATCH_DATA_DIR=" + dir, "CALLWATCH_RULES=" + writeRules(t, lowMOSRule), "CALLWATCH_SLACK_TOKEN=xoxb-test",
		"CALLWATCH_SLACK_CHANNEL=#voice", "CALLWATCH_SLACK_API_URL=" + slackURL, "CALLWATCH_SLACK_RATE=500",
		"CALLWATCH_SWEEP=0", "HOME=" + os.Getenv("HOME"),
	}
	for name, f := range apis {
		provider, _ := registry.Find(name)
		keys := f.api.Keys(f.url)
		keys[normalizer.URLToken] = []string{proofToken}
		for setting, values := range keys {
			p.cmd.Env = append(p.cmd.Env, provider.EnvName(setting)+"="+strings.Join(values, ","))
		}
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Log("callwatch said:\n" + p.log.String()[max(0, p.log.Len()-4000):])
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

// Every call ends with what only its report tells, although reports come late,
// requests go wrong and callwatch is killed with -9 twice; and no call is asked
// for more often than the back-off allows.
func TestEveryReportIsFetched(t *testing.T) {
	long(t)
	t.Parallel()
	n := *proofCalls
	_, slackURL := fakeSlackServer(t)
	apis, dir := map[string]*faulty{}, t.TempDir()
	for i, p := range registry.Providers() {
		apis[p.Name] = startFaulty(t, p.Name, uint64(i+1), n)
	}
	for part := range 3 {
		p := startPaced(t, dir, slackURL, apis, proofDelays()...)
		for name, f := range apis {
			for _, c := range f.calls[part*n/3 : (part+1)*n/3] {
				res, err := http.Post(p.base+"/webhooks/"+name+"/"+proofToken, c.Webhook.ContentType, bytes.NewReader(c.Webhook.Body))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Fatalf("%s: webhook answered %d", name, res.StatusCode)
				}
			}
		}
		if part < 2 {
			time.Sleep(time.Duration(500+500*part) * time.Millisecond) // so that it is killed at work
			p.kill()
			continue
		}
		// An event is first made, then looked at, then its report waits.
		p.idle(stage.NormalizeLease, stage.FetchLease)
		for name := range apis {
			settled := soon(4*time.Minute, func() bool {
				return p.metric(`callwatch_fetches_pending{provider="`+name+`"}`) == "0"
			})
			if !settled {
				t.Errorf("%s: still pending: %s", name, p.metric(`callwatch_fetches_pending{provider="`+name+`"}`))
				p.kill()
				tellOpen(t, dir, name)
				t.FailNow()
			}
		}
		p.idle(stage.NormalizeLease, stage.JudgeLease)
		p.kill()
	}
	known := foldAll(t, dir)
	for name, f := range apis {
		f.check(t, name, known)
	}
}

// Killed with -9 while a request is under way, callwatch knows afterwards that it
// has asked: what is stored is the next attempt, not the one that was begun.
func TestKilledWhileAsking(t *testing.T) {
	long(t)
	t.Parallel()
	_, slackURL := fakeSlackServer(t)
	f := startFaulty(t, "bird", 1, 1)
	asked := make(chan struct{}, 8)
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close)
	f.url = hanging.URL
	dir := t.TempDir()
	p := startPaced(t, dir, slackURL, map[string]*faulty{"bird": f}, 100*time.Millisecond, time.Hour)
	push(t, p.base+"/webhooks/bird/"+proofToken, string(f.calls[0].Webhook.Body))
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatal("the report is not asked for")
	}
	p.kill()
	store, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(context.Background()) }()
	tried := 0
	err = store.Tasks(t.Context(), "bird", func(task stream.Task) {
		e, err := parseJob(task.Data)
		if err != nil {
			t.Error(err)
		}
		if e.Tried > 0 && time.Until(task.At) > time.Minute {
			tried++
		}
	})
	if err != nil || tried == 0 {
		t.Errorf("%d attempts are stored, %v: the report would be asked for again at once", tried, err)
	}
}

func soon(limit time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// tellOpen says what a store that nobody has open still wants to fetch.
func tellOpen(t *testing.T, dir, provider string) {
	t.Helper()
	store, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(context.Background()) }()
	err = store.Tasks(t.Context(), provider, func(task stream.Task) {
		if e, err := parseJob(task.Data); err != nil || !e.Done {
			t.Logf("open: %s, due %v ago, %v", task.Data, time.Since(task.At), err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// foldAll is what the events of a store that nobody has open come to.
func foldAll(t *testing.T, dir string) map[call.Key]*call.Call {
	t.Helper()
	store, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(context.Background()) }()
	known := map[call.Key]*call.Call{}
	err = store.StoredEvents(t.Context(), time.Time{}, func(m stream.Message, _ uint64) error {
		if m.Tick || m.Action {
			return nil
		}
		var e call.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return err
		}
		if known[e.Key()] == nil {
			known[e.Key()] = &call.Call{}
		}
		known[e.Key()].Fold(&e, call.PreferProvider)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func (f *faulty) check(t *testing.T, name string, known map[call.Key]*call.Call) {
	t.Helper()
	lost, worst := 0, 0
	for _, c := range f.calls {
		k := known[call.Key{Provider: name, CallID: c.ID}]
		if k == nil {
			t.Errorf("%s: call %s is lost", name, c.ID)
			lost++
			continue
		}
		text, err := k.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		for field, want := range c.Figures {
			if got, ok := fields[field].(float64); !ok || fmt.Sprintf("%.3f", got) != fmt.Sprintf("%.3f", want) {
				t.Errorf("%s: call %s has %s %v, want %v", name, c.ID, field, fields[field], want)
				lost++
			}
		}
	}
	delays, total := proofDelays(), 0
	for what, asked := range f.asked {
		tried := 0
		total, worst = total+len(asked), max(worst, len(asked))
		for i, r := range asked {
			if i > 0 {
				pause := delays[min(tried, len(delays)-1)]
				if asked[i-1].status == http.StatusTooManyRequests {
					pause = min(pause, time.Second)
				}
				// The pause begins when the attempt is stored; on a busy machine the request comes later.
				if gap := r.at.Sub(asked[i-1].at); gap < pause/3 {
					t.Errorf("%s: %s: request %d came %v after one answered %d, want %v", name, what, i+1, gap, asked[i-1].status, pause)
				}
			}
			if r.status != http.StatusTooManyRequests {
				tried++
			}
		}
	}
	t.Logf("%s: %d calls, %d without their report, %d requests, at most %d for one", name, len(f.calls), lost, total, worst)
}
