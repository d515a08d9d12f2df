package providerfake

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/normalizer"
)

func providers() []Options {
	return []Options{
		{Provider: "telnyx"}, {Provider: "signalwire"}, {Provider: "bird"}, {Provider: "bird", Platform: true}, {Provider: "atoms"}, {Provider: "butter"},
	}
}

func start(t *testing.T, o Options) (*Server, *http.Request) {
	t.Helper()
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return at }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	keys := s.Keys(server.URL)
	p, _ := normalizer.Find(o.Provider)
	s.Make(3, Making{First: at.Add(-time.Hour), Every: time.Minute})
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
	for _, o := range providers() {
		s, r := start(t, o)
		name := o.Provider
		for i, c := range []struct {
			faults Faults
			status int
			header string
			value  string
		}{
			{Faults{}, 200, "Content-Type", "application/json; charset=utf-8"},
			{Faults{Throttle: 1, RetryAfter: 7 * time.Second}, 429, "Retry-After", "7"},
			{Faults{Throttle: 1}, 429, "Retry-After", ""},
			{Faults{Fail: 1}, 503, "Content-Type", "application/json; charset=utf-8"},
			{Faults{Cut: 1}, 0, "Content-Length", "4096"},
			{Faults{WrongType: 1}, 200, "Content-Type", "text/html"},
			{Faults{Slow: 1, SlowFor: time.Millisecond}, 200, "Content-Type", "application/json; charset=utf-8"},
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
		s.SetFaults(Faults{})
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
	if _, err := New(Options{Provider: "other"}); err == nil {
		t.Error("an API of a provider that is none")
	}
}

// TestSeed makes the same calls of the same seed, and others of another.
func TestSeed(t *testing.T) {
	made := func(o Options, seed uint64) []Call {
		o.Seed, o.Now = seed, time.Now
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Make(5, Making{First: time.Unix(1e9, 0), Every: time.Second, Delay: func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(60)) * time.Second }})
	}
	for _, o := range providers() {
		if diff := cmp.Diff(made(o, 1), made(o, 1)); diff != "" {
			t.Errorf("%s: another time other calls:\n%s", o.Provider, diff)
		}
		if cmp.Equal(made(o, 1), made(o, 2)) {
			t.Errorf("%s: the seed changes nothing", o.Provider)
		}
	}
}

// TestAdd serves a call of the caller's own making.
func TestAdd(t *testing.T) {
	s, r := start(t, Options{Provider: "atoms"})
	s.Add(Call{ID: "CALL-own", Ended: s.now().Add(-time.Minute), ReadyAt: s.now(), Report: object{"callId": "CALL-own"}})
	r.URL.Path, r.URL.RawQuery = r.URL.Path+"/CALL-own", ""
	if status, _ := do(t, r); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if all := s.Requests(); all[0].CallID != "CALL-own" || len(s.Calls()) != 4 {
		t.Errorf("noted %+v", all)
	}
}
