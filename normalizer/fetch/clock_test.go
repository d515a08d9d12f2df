package fetch_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/normalizer/providerfake"
	"callwatch/normalizer/registry"
)

// clock stands still but for what waits on it.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	c.add(d)
	return ctx.Err()
}

// far is a provider's API with a client.
type far struct {
	*clock
	provider normalizer.Provider
	keys     normalizer.Keys
	api      *providerfake.Server
	client   *fetch.Client
}

// fakeOf names a fake API.
type fakeOf struct{ provider, variant string }

func newFar(t testing.TB, of fakeOf) *far {
	t.Helper()
	c := newClock()
	fake, err := registry.FakeAPI(of.provider, of.variant)
	if err != nil {
		t.Fatal(err)
	}
	api := providerfake.New(fake, providerfake.Options{Now: c.now})
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	p, ok := registry.Find(of.provider)
	if !ok {
		t.Fatalf("no provider %q", of.provider)
	}
	f := &far{clock: c, provider: p, keys: api.Keys(server.URL), api: api}
	f.client = newClient(t, c, p, f.keys)
	return f
}

func newClient(t testing.TB, c *clock, p normalizer.Provider, keys normalizer.Keys) *fetch.Client {
	t.Helper()
	client, err := fetch.New(p, keys, fetch.Options{Now: c.now, Wait: c.wait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// answering is a client of one provider whose API is the handler.
func answering(t testing.TB, h http.HandlerFunc) (*clock, *fetch.Client) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	p, _ := registry.Find("telnyx")
	c := newClock()
	return c, newClient(t, c, p, normalizer.Keys{"API_KEY": {"key"}, normalizer.APIURL: {server.URL}})
}

// apis are the APIs of all providers that can be asked.
func apis(t testing.TB) map[string]fakeOf {
	t.Helper()
	all := map[string]fakeOf{"bird platform": {"bird", "platform"}}
	for _, p := range registry.Providers() {
		for _, s := range p.Settings {
			if s.Use == normalizer.ForREST {
				all[p.Name] = fakeOf{p.Name, ""}
			}
		}
	}
	return all
}
