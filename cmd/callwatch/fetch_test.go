package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/pipeline/fetching"
	"callwatch/stream"
)

// scripted is a provider's API that gives set answers by path, one after the
// other, the last one for ever.
type scripted struct {
	mu      sync.Mutex
	answers map[string][]scriptedAnswer
	asked   map[string][]time.Time
}

type scriptedAnswer struct {
	status int
	body   string
	after  string // Retry-After
}

func scriptedAPI(t *testing.T, answers map[string][]scriptedAnswer) (*scripted, string) {
	t.Helper()
	s := &scripted{answers: answers, asked: map[string][]time.Time{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.Path
	n := len(s.asked[path])
	s.asked[path] = append(s.asked[path], time.Now())
	list := s.answers[path]
	if len(list) == 0 {
		http.Error(w, "{}", http.StatusNotFound)
		return
	}
	a := list[min(n, len(list)-1)]
	w.Header().Set("Content-Type", "application/json")
	if a.after != "" {
		w.Header().Set("Retry-After", a.after)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *scripted) times(path string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.asked[path]...)
}

const birdToken = "bird-tok"

func fetchesBird(url string, delays ...time.Duration) func(*config.Config) {
	return func(c *config.Config) {
		c.Providers = map[string]map[string]config.Secret{"bird": {"url_token": birdToken, "access_key": "key", "workspace_id": "w", "api_url": config.Secret(url)}}
		c.Pace = fetching.Pace{Delays: delays, Rate: 1000}
	}
}

func birdEnded(t *testing.T, base, id string) {
	t.Helper()
	birdEndedAt(t, base+"/webhooks/bird/"+birdToken, id)
}

func birdEndedAt(t *testing.T, address, id string) {
	t.Helper()
	body := fmt.Sprintf(`{"event":"voice.outbound","service":"channels","payload":{"id":%q,"channelId":"c","status":"completed",
	  "direction":"outgoing","duration":40,"endedAt":%q}}`, id, time.Now().UTC().Format(time.RFC3339Nano))
	push(t, address, body)
}

func push(t *testing.T, url, body string) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("webhook answered %d %s", res.StatusCode, b)
	}
}

func birdInsights(id string, mos float64) string {
	return fmt.Sprintf(`{"id":%q,"channelId":"c","status":"completed","direction":"outgoing","duration":40,"endedAt":"2026-11-01T12:00:45Z","updatedAt":"2026-11-01T12:01:45Z",
	  "mediaMetrics":{"mos":%v,"inMediaPacketCount":2000,"jitterLossRate":0.01,"flawTotal":40,"readCodecName":"PCMU"}}`, id, mos)
}

func birdPath(id string) string { return "/workspaces/w/channels/c/calls/" + id + "/insights" }

// folded is what the stored events of a call come to.
func folded(t *testing.T, a *app, provider, callID string) call.Call {
	t.Helper()
	var c call.Call
	err := a.store.StoredEvents(t.Context(), time.Time{}, func(m stream.Message, _ uint64) error {
		if m.Provider() != provider || m.CallID() != callID {
			return nil
		}
		var e call.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return err
		}
		c.Fold(&e, call.PreferProvider)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const lowMOSRule = "rules:\n  - name: bad-quality\n    when: mos < 3.5\n    by: [provider, callId]\n"

// spaced says whether requests keep the pauses that the back-off asks for.
func spaced(t *testing.T, what string, asked []time.Time, pauses ...time.Duration) {
	t.Helper()
	for i := 1; i < len(asked); i++ {
		pause := pauses[min(i, len(pauses))-1]
		if gap := asked[i].Sub(asked[i-1]); gap < pause*9/10 {
			t.Errorf("%s: request %d came %v after the one before, want %v", what, i+1, gap, pause)
		}
	}
}

// A report that is not there yet, is refused for a while or comes from a server in
// trouble is asked for until it is there, at the provider's pace; the rule about
// quality fires once although the webhook came three times.
func TestReportIsFetched(t *testing.T) {
	t.Parallel()
	api, url := scriptedAPI(t, map[string][]scriptedAnswer{
		birdPath("call-1"): {
			{status: 404, body: "{}"},
			{status: 429, body: "{}", after: "1"},
			{status: 503, body: "{}"},
			{status: 200, body: `{"id":"call-1","channelId":"c","status":"completed","duration":40}`},
			{status: 200, body: birdInsights("call-1", 2.9)},
		},
		"/workspaces/w/channels/c/calls/call-1": {{status: 200, body: `{"id":"call-1","channelId":"c","status":"completed","duration":40}`}},
	})
	a, base := running(t, func(c *config.Config) {
		fetchesBird(url, 300*time.Millisecond, 600*time.Millisecond)(c)
		c.Rules = writeRules(t, lowMOSRule)
	})
	for range 3 {
		birdEnded(t, base, "call-1")
	}
	eventually(t, "the rule about quality fires", func() bool { return len(listed(t, base)) == 1 })
	c := folded(t, a, "bird", "call-1")
	if c.MOS == nil || *c.MOS != 2.9 || !c.Final {
		t.Errorf("call: mos %v, final %v", c.MOS, c.Final)
	}
	asked := api.times(birdPath("call-1"))
	spaced(t, "insights", asked, 600*time.Millisecond, time.Second, 600*time.Millisecond)
	eventually(t, "nothing is pending", func() bool { return pendingFetches(a) == 0 })
	birdEnded(t, base, "call-1")
	time.Sleep(2 * time.Second) // what must not happen cannot be waited for
	if n := len(api.times(birdPath("call-1"))); n != len(asked) || n != 5 {
		t.Errorf("asked %d times, then %d times, want 5", len(asked), n)
	}
	if n := len(listed(t, base)); n != 1 {
		t.Errorf("%d incidents", n)
	}
}

// What is not to be had in time makes the call final without quality: no rule
// about quality fires, and one about all calls does not fire once more.
func TestReportIsGivenUp(t *testing.T) {
	t.Parallel()
	_, url := scriptedAPI(t, nil)
	a, base := running(t, func(c *config.Config) {
		fetchesBird(url, 200*time.Millisecond)(c)
		c.FetchFor = 1500 * time.Millisecond
		c.Rules = writeRules(t, lowMOSRule+"  - name: any-call\n    when: durationSec > 1\n    by: [provider, callId]\n")
	})
	birdEnded(t, base, "call-1")
	eventually(t, "the report is given up", func() bool { return folded(t, a, "bird", "call-1").Final })
	eventually(t, "all is judged", func() bool { return a.backlog()["judge"] == 0 })
	if c := folded(t, a, "bird", "call-1"); c.MOS != nil || c.DurationSec == nil || c.Status != call.Completed {
		t.Errorf("call: %+v", c.Event)
	}
	if found := listed(t, base); len(found) != 1 || found[0].Rule != "any-call" {
		t.Errorf("incidents: %+v", found)
	}
}

// fetchJob is what a test reads of a stored job.
type fetchJob struct {
	Ask   normalizer.Ask `json:"ask"`
	Tried int            `json:"tried"`
	Done  bool           `json:"done"`
}

func parseJob(data []byte) (j fetchJob, err error) {
	err = json.Unmarshal(data, &j)
	return j, err
}

// changeREST gives a provider's REST side another behaviour.
func changeREST(c *config.Config, change func(*normalizer.REST)) {
	for _, p := range c.Registry {
		if p.REST != nil {
			rest := *p.REST
			change(&rest)
			p.REST = &rest
			c.Registry = c.Registry.With(p)
		}
	}
}

// pendingFetches are the reports that wait for their next attempt.
func pendingFetches(a *app) (n int64) {
	for _, s := range a.fetch.Status() {
		n += s.Pending
	}
	return n
}

// An answer that is ready ends the job, also if the call as a whole is not complete.
func TestReadyEndsTheJob(t *testing.T) {
	t.Parallel()
	api, url := scriptedAPI(t, map[string][]scriptedAnswer{birdPath("call-1"): {{status: 200, body: birdInsights("call-1", 2.9)}}})
	a, base := running(t, func(c *config.Config) {
		fetchesBird(url, 100*time.Millisecond)(c)
		changeREST(c, func(rest *normalizer.REST) { rest.Complete = func(*call.Event) bool { return false } })
	})
	birdEnded(t, base, "call-1")
	eventually(t, "the report is there", func() bool { return folded(t, a, "bird", "call-1").MOS != nil })
	asked := func() int { return len(api.times(birdPath("call-1"))) }
	eventually(t, "the job is done", func() bool {
		done := false
		err := a.store.Tasks(t.Context(), "bird", func(task stream.Task) {
			if job, err := parseJob(task.Data); err == nil && strings.HasSuffix(job.Ask.Path, "/insights") {
				done = job.Done
			}
		})
		return err == nil && done
	})
	if n := asked(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// An event that reports something new is followed by a request although the call
// is complete, until that request is answered wholly.
func TestCompleteCallIsAskedAgain(t *testing.T) {
	t.Parallel()
	api, url := scriptedAPI(t, map[string][]scriptedAnswer{birdPath("call-1"): {
		{status: 200, body: `{"id":"call-1","channelId":"c","status":"completed","duration":40}`},
		{status: 200, body: birdInsights("call-1", 2.9)},
	}})
	a, base := running(t, func(c *config.Config) {
		fetchesBird(url, 100*time.Millisecond)(c)
		changeREST(c, func(rest *normalizer.REST) {
			rest.Complete = func(*call.Event) bool { return true }
			rest.Wants = func(e *call.Event, _ normalizer.Keys) []normalizer.Ask {
				return []normalizer.Ask{{Path: birdPath(e.CallID), CallID: e.CallID, Again: true}}
			}
		})
	})
	birdEnded(t, base, "call-1")
	eventually(t, "the report is there", func() bool { return folded(t, a, "bird", "call-1").MOS != nil })
	if n := len(api.times(birdPath("call-1"))); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// A broken credential is told once and shown, and the provider is left alone.
func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	refuse := []scriptedAnswer{{status: 401, body: "{}"}}
	api, url := scriptedAPI(t, map[string][]scriptedAnswer{birdPath("call-1"): refuse, "/workspaces/w/channels/c/calls/call-1": refuse})
	a, base := running(t, func(c *config.Config) {
		fetchesBird(url, 100*time.Millisecond)(c)
		c.FetchFor = time.Second
		c.Rules = writeRules(t, lowMOSRule)
	})
	birdEnded(t, base, "call-1")
	eventually(t, "readiness shows it", func() bool {
		res, err := http.Get(base + "/readyz?verbose")
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode == http.StatusOK && strings.Contains(string(b), "bird: credentials refused since") &&
			strings.Contains(string(b), "CALLWATCH_BIRD_ACCESS_KEY")
	})
	time.Sleep(2 * time.Second) // what must not happen cannot be waited for
	if n := len(api.times(birdPath("call-1"))); n != 1 {
		t.Errorf("asked %d times with refused credentials", n)
	}
	if folded(t, a, "bird", "call-1").Final {
		t.Error("given up although nothing was ever answered")
	}
}

// An unsigned webhook that the provider's API does not bear out fires no rule and
// ends as a dead letter; one that it does is judged.
func TestUnsignedWebhookIsConfirmed(t *testing.T) {
	t.Parallel()
	confirmed := `{"success":true,"data":{"call_sid":"call_2","status":"failed","agent_id":"a","to_number":"+15550100002",
	  "start_time":"2026-11-01T12:00:00Z","end_time":"2026-11-01T12:00:45Z","duration_seconds":45}}`
	_, url := scriptedAPI(t, map[string][]scriptedAnswer{"/api/calls/call_2": {{status: 404}, {status: 200, body: confirmed}}})
	a, base := running(t, func(c *config.Config) {
		c.Providers["butter"]["api_key"], c.Providers["butter"]["api_url"] = "key", config.Secret(url)
		c.Pace = fetching.Pace{Delays: []time.Duration{200 * time.Millisecond}, Rate: 1000}
		c.FetchFor = 1500 * time.Millisecond
		c.Rules = writeRules(t, failedRule)
	})
	failedCall(t, base, butterToken, "call_1")
	failedCall(t, base, butterToken, "call_2")
	var dead []stream.DeadLetter
	eventually(t, "what is not confirmed is a dead letter", func() bool {
		var err error
		if dead, err = a.store.DeadLetters(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		return len(dead) == 1
	})
	if dead[0].Kind != "unconfirmed" || dead[0].Provider != "butter" {
		t.Errorf("dead letter: %+v", dead[0])
	}
	eventually(t, "the confirmed call is announced", func() bool { return len(listed(t, base)) > 0 })
	if found := listed(t, base); len(found) != 1 || found[0].Key() != "butter\x00call_2" {
		t.Errorf("incidents: %+v", found)
	}
}

// A call whose webhook was lost while callwatch was down is found by the sweep,
// fetched and judged; a second sweep adds nothing.
func TestSweepFindsLostCalls(t *testing.T) {
	t.Parallel()
	listing := func(ids ...string) string {
		var calls []string
		for _, id := range ids {
			calls = append(calls, fmt.Sprintf(`{"id":%q,"channelId":"c","status":"completed","duration":40,"createdAt":%q,"endedAt":%q}`, id,
				time.Now().UTC().Add(-time.Minute).Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339)))
		}
		return `{"results":[` + strings.Join(calls, ",") + `]}`
	}
	api, url := scriptedAPI(t, map[string][]scriptedAnswer{
		"/workspaces/w/channels/calls": {{status: 503}, {status: 200, body: listing("known", "lost")}},
		birdPath("known"):              {{status: 200, body: birdInsights("known", 4.1)}},
		birdPath("lost"):               {{status: 200, body: birdInsights("lost", 2.9)}},
	})
	dir, path := t.TempDir(), writeRules(t, lowMOSRule)
	configure := func(c *config.Config) {
		fetchesBird(url, 100*time.Millisecond)(c)
		c.DataDir, c.Rules, c.Sweep = dir, path, time.Second
	}
	t.Run("before", func(t *testing.T) {
		a, base := running(t, configure)
		birdEnded(t, base, "known")
		eventually(t, "the known call is complete", func() bool { return folded(t, a, "bird", "known").Final })
	})
	a, base := running(t, configure)
	eventually(t, "the lost call is announced", func() bool { return len(listed(t, base)) == 1 })
	sweeps := len(api.times("/workspaces/w/channels/calls"))
	eventually(t, "two more sweeps", func() bool { return len(api.times("/workspaces/w/channels/calls")) >= sweeps+2 })
	if n := len(api.times(birdPath("lost"))); n != 1 {
		t.Errorf("the lost call was fetched %d times", n)
	}
	records := 0
	for id := uint64(1); ; id++ {
		r, err := a.store.Record(t.Context(), stream.Position{Seq: id}.String())
		if err != nil {
			break
		}
		if r.CallID == "lost" && r.Source == string(normalizer.Fetched) {
			records++
		}
	}
	if records < 1 || records > 2 { // the call as listed and its insights
		t.Errorf("%d records of the lost call", records)
	}
}
