package providerfake_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/registry"
)

// fakeOf names a fake API.
type fakeOf struct{ provider, variant string }

func fakes() []fakeOf {
	return []fakeOf{{"telnyx", ""}, {"signalwire", ""}, {"bird", ""}, {"bird", "platform"}, {"atoms", ""}, {"butter", ""}}
}

func (f fakeOf) server(t *testing.T, o providerfake.Options) *providerfake.Server {
	t.Helper()
	api, err := registry.FakeAPI(f.provider, f.variant)
	if err != nil {
		t.Fatal(err)
	}
	return providerfake.New(api, o)
}

func startTime() time.Time { return time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC) }

func start(t *testing.T, f fakeOf) (*providerfake.Server, *http.Request) {
	t.Helper()
	at := startTime()
	s := f.server(t, providerfake.Options{Now: startTime})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	keys := s.Keys(server.URL)
	p, _ := registry.Find(f.provider)
	s.Make(3, providerfake.Making{First: at.Add(-time.Hour), Every: time.Minute})
	ask := p.REST.Calls(keys)[0].First(at.Add(-48*time.Hour), time.Time{}, keys)
	r, err := http.NewRequest(http.MethodGet, p.REST.BaseURL(keys)+ask.Path+"?"+ask.Query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.REST.Authorize(r.Header, keys)
	return s, r
}

// do gives the status, 0 where the connection was cut.
func do(t *testing.T, r *http.Request) (int, http.Header) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err != nil {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		return 0, resp.Header
	}
	return resp.StatusCode, resp.Header
}

// TestFaults makes each provider go wrong in each way, and notes it.
func TestFaults(t *testing.T) {
	for _, o := range fakes() {
		s, r := start(t, o)
		name := o.provider
		for i, c := range []struct {
			faults providerfake.Faults
			status int
			header string
			value  string
		}{
			{providerfake.Faults{}, 200, "Content-Type", "application/json; charset=utf-8"},
			{providerfake.Faults{Throttle: 1, RetryAfter: 7 * time.Second}, 429, "Retry-After", "7"},
			{providerfake.Faults{Throttle: 1}, 429, "Retry-After", ""},
			{providerfake.Faults{Fail: 1}, 503, "Content-Type", "application/json; charset=utf-8"},
			{providerfake.Faults{Cut: 1}, 0, "Content-Length", "4096"},
			{providerfake.Faults{WrongType: 1}, 200, "Content-Type", "text/html"},
			{providerfake.Faults{Slow: 1, SlowFor: time.Millisecond}, 200, "Content-Type", "application/json; charset=utf-8"},
		} {
			s.SetFaults(c.faults)
			status, header := do(t, r)
			if status != c.status || header.Get(c.header) != c.value {
				t.Errorf("%s, fault %d: status %d, %s %q", name, i, status, c.header, header.Get(c.header))
			}
			if all := s.Requests(); len(all) != i+1 || all[i].Status != c.status || all[i].Path != r.URL.Path {
				t.Errorf("%s, fault %d: noted %+v", name, i, all[len(all)-1])
			}
		}
		s.SetFaults(providerfake.Faults{})
		stranger := r.Clone(r.Context())
		stranger.Header = http.Header{"Authorization": {"Bearer wrong"}, "X-Api-Key": {"wrong"}}
		if status, _ := do(t, stranger); status != http.StatusUnauthorized {
			t.Errorf("%s: %d for wrong credentials", name, status)
		}
		lost := r.Clone(r.Context())
		lost.URL.Path += "/nowhere/at/all"
		if status, _ := do(t, lost); status != http.StatusNotFound {
			t.Errorf("%s: %d for a path that is none", name, status)
		}
	}
	if _, err := registry.FakeAPI("other", ""); err == nil {
		t.Error("an API of a provider that is none")
	}
}

// TestSeed makes the same calls of the same seed, and others of another.
func TestSeed(t *testing.T) {
	made := func(f fakeOf, seed uint64) []providerfake.Call {
		s := f.server(t, providerfake.Options{Seed: seed, Now: time.Now})
		return s.Make(5, providerfake.Making{First: time.Unix(1e9, 0), Every: time.Second, Delay: func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(60)) * time.Second }})
	}
	for _, o := range fakes() {
		if diff := cmp.Diff(made(o, 1), made(o, 1)); diff != "" {
			t.Errorf("%s: another time other calls:\n%s", o.provider, diff)
		}
		if cmp.Equal(made(o, 1), made(o, 2)) {
			t.Errorf("%s: the seed changes nothing", o.provider)
		}
	}
}

// TestAdd serves a call of the caller's own making.
func TestAdd(t *testing.T) {
	s, r := start(t, fakeOf{"atoms", ""})
	s.Add(providerfake.Call{ID: "CALL-own", Ended: startTime().Add(-time.Minute), ReadyAt: startTime(), Report: map[string]any{"callId": "CALL-own"}})
	r.URL.Path, r.URL.RawQuery = r.URL.Path+"/CALL-own", ""
	if status, _ := do(t, r); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if all := s.Requests(); all[0].CallID != "CALL-own" || len(s.Calls()) != 4 {
		t.Errorf("noted %+v", all)
	}
}
