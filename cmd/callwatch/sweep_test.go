package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/fetching"
	"callwatch/pipeline/maintenance"
	"callwatch/stream"
)

// sweeping runs callwatch with one provider's API, and comes back when it has
// noted from when on calls are missing.
func sweeping(t *testing.T, provider string, delay time.Duration) (a *app, base string, api *providerfake.Server) {
	t.Helper()
	fakeAPI, err := registry.FakeAPI(provider, "")
	if err != nil {
		t.Fatal(err)
	}
	api = providerfake.New(fakeAPI, providerfake.Options{Seed: 5, Now: time.Now})
	srv := httptest.NewServer(api)
	t.Cleanup(srv.Close)
	a, base = running(t, func(c *config.Config) {
		c.Providers = map[string]map[string]config.Secret{}
		c.SetProvider(provider, normalizer.URLToken, proofToken)
		for setting, values := range api.Keys(srv.URL) {
			c.SetProvider(provider, setting, config.Secret(values[0]))
		}
		c.Pace, c.Sweep = fetching.Pace{Delays: []time.Duration{delay}, Rate: 1000}, time.Second
	})
	eventually(t, "the first sweep", func() bool {
		notes, err := a.store.Bucket(t.Context(), "fetch")
		if err != nil {
			return false
		}
		value, _, err := notes.Load(t.Context(), "swept."+provider)
		return err == nil && value != nil
	})
	return a, base, api
}

func callIDs(t *testing.T, a *app, provider string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	err := a.store.EventsOf(t.Context(), provider, func(m stream.Message) error {
		ids[m.CallID()] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func lists(api *providerfake.Server, path string) int {
	n := 0
	for _, r := range api.Requests() {
		if r.Path == path {
			n++
		}
	}
	return n
}

// unlisted are calls of SignalWire that its API does not list before they are
// added: no sweep can come before their webhooks.
func unlisted(t *testing.T, n int, first time.Time) []providerfake.Call {
	t.Helper()
	fakeAPI, err := registry.FakeAPI("signalwire", "")
	if err != nil {
		t.Fatal(err)
	}
	maker := providerfake.New(fakeAPI, providerfake.Options{Seed: 6, Now: time.Now})
	return maker.Make(n, providerfake.Making{First: first})
}

// A call whose hangup was lost gets the report that the hangup would have led to.
func TestSweptCallGetsItsReport(t *testing.T) {
	t.Parallel()
	a, _, api := sweeping(t, "telnyx", 100*time.Millisecond)
	calls := api.Make(6, providerfake.Making{First: time.Now()})
	for _, c := range calls {
		eventually(t, "the report of a swept call", func() bool {
			f := folded(t, a, "telnyx", c.ID)
			return f.RTTMs != nil && *f.RTTMs == c.Figures["rttMs"]
		})
	}
	eventually(t, "nothing is pending", func() bool { return pendingFetches(a) == 0 })
}

// A call that a list names by its segment is known where a webhook told of the
// segment.
func TestSweepKnowsCallsByTheirSession(t *testing.T) {
	t.Parallel()
	a, base, api := sweeping(t, "signalwire", 100*time.Millisecond)
	calls := unlisted(t, 8, time.Now())
	want := map[string]bool{}
	for i, c := range calls {
		if i < 6 {
			res, err := http.Post(base+"/webhooks/signalwire/"+proofToken, c.Webhook.ContentType, bytes.NewReader(c.Webhook.Body))
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("webhook: %v %v", res, err)
			}
			_ = res.Body.Close()
			want[c.ID] = true
			continue
		}
		want[slices.Concat(c.Also, []string{c.ID})[0]] = true // the list knows no other id
	}
	eventually(t, "the webhooks are events", func() bool { return len(callIDs(t, a, "signalwire")) == len(want)-2 })
	for _, c := range calls {
		api.Add(c)
	}
	begun := lists(api, "/api/voice/logs")
	eventually(t, "two more sweeps", func() bool { return lists(api, "/api/voice/logs") >= begun+3 })
	eventually(t, "all calls", func() bool { return len(callIDs(t, a, "signalwire")) >= len(want) })
	for id := range callIDs(t, a, "signalwire") {
		if !want[id] {
			t.Errorf("a call twice: %s", id)
		}
	}
}

// An import merges what a list names by its segment into the call that webhooks
// told of.
func TestImportKnowsCallsByTheirSession(t *testing.T) {
	t.Parallel()
	a, base, api := sweeping(t, "signalwire", time.Hour) // the import comes first
	calls := unlisted(t, 6, time.Now().Add(-10*time.Minute))
	want := map[string]bool{}
	for _, c := range calls {
		res, err := http.Post(base+"/webhooks/signalwire/"+proofToken, c.Webhook.ContentType, bytes.NewReader(c.Webhook.Body))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("webhook: %v %v", res, err)
		}
		_ = res.Body.Close()
		want[c.ID] = true
	}
	eventually(t, "the webhooks are events", func() bool { return len(callIDs(t, a, "signalwire")) == len(want) })
	for _, c := range calls {
		api.Add(c)
	}
	params := url.Values{"provider": {"signalwire"}, "since": {"7d"}, "limit": {"0"}, "rate": {"0"}, "list": {"voice logs"}}
	result, err := a.work(t.Context(), "import", params, nil, func(int64, int64) {})
	done, _ := result.(maintenance.Imported)
	if err != nil || done.Stored < len(calls) {
		t.Fatalf("import: %+v, %v", done, err)
	}
	for id := range callIDs(t, a, "signalwire") {
		if !want[id] {
			t.Errorf("a call twice: %s", id)
		}
	}
}

// While the API of a provider that cannot sign refuses us, its calls do not end:
// that is shown and counted.
func TestHeldCallsAreShown(t *testing.T) {
	t.Parallel()
	_, api := scriptedAPI(t, map[string][]scriptedAnswer{"/api/calls/call_1": {{status: 401, body: "{}"}}})
	_, base := running(t, func(c *config.Config) {
		c.Providers["butter"]["api_key"], c.Providers["butter"]["api_url"] = "key", config.Secret(api)
		c.Pace = fetching.Pace{Delays: []time.Duration{100 * time.Millisecond}, Rate: 1000}
	})
	page := func(path string) string {
		res, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if held := `callwatch_calls_held{provider="butter"} `; !strings.Contains(page("/metrics"), held+"0") {
		t.Errorf("no metric %s0", held)
	}
	failedCall(t, base, butterToken, "call_1")
	eventually(t, "readiness names it", func() bool {
		ready := page("/readyz?verbose")
		return strings.Contains(ready, "butter: credentials refused since") && strings.Contains(ready, "1 call cannot end")
	})
	if held := `callwatch_calls_held{provider="butter"} `; !strings.Contains(page("/metrics"), held+"1") {
		t.Errorf("no metric %s1", held)
	}
}
