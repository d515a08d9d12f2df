package handlers_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/handlers"
)

func TestProbes(t *testing.T) {
	var state atomic.Value
	base := serve(t, handlers.Config{
		Version: map[string]string{"version": "1.2.3"},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("callwatch_up 1\n")) }),
		Ready: func(context.Context) handlers.Readiness {
			return handlers.Readiness{Checks: []handlers.Check{
				{Name: "store", State: state.Load().(handlers.State), Cause: "disk full"},
				{Name: "slack", State: handlers.Degraded, Cause: "channel archived"},
			}}
		},
	})
	for _, tc := range []struct {
		path   string
		state  handlers.State
		status int
		body   string
	}{
		{"/livez", handlers.Failing, 200, `{"status":"live"}`},
		{"/readyz", handlers.Passing, 200, `{"status":"ready"}`},
		{"/readyz", handlers.Degraded, 200, `{"status":"ready"}`},
		{"/readyz", handlers.Failing, 503, `{"status":"not ready"}`},
		{"/readyz?verbose", handlers.Failing, 503, `{"status":"not ready","checks":[{"name":"store","state":"failing","cause":"disk full"},{"name":"slack","state":"degraded","cause":"channel archived"}]}`},
		{"/version", handlers.Passing, 200, `{"version":"1.2.3"}`},
		{"/metrics", handlers.Passing, 200, "callwatch_up 1"},
	} {
		state.Store(tc.state)
		got := send(t, "GET", base+tc.path, "", nil)
		if got.status != tc.status || strings.TrimSpace(got.body) != tc.body {
			t.Errorf("%s: %d %s, want %d %s", tc.path, got.status, got.body, tc.status, tc.body)
		}
		if head := send(t, "HEAD", base+tc.path, "", nil); head.status != tc.status || head.body != "" {
			t.Errorf("HEAD %s: %d %q", tc.path, head.status, head.body)
		}
		if (got.status == 503) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", tc.path, got.header.Get("Retry-After"))
		}
	}
	if got := send(t, "POST", base+"/livez", "", nil); got.status != 405 {
		t.Errorf("POST /livez: %d", got.status)
	}
	if got := send(t, "POST", base+"/livez", "", map[string]string{"Origin": "https://evil.example"}); got.status != 403 {
		t.Errorf("POST /livez from another site: %d", got.status)
	}
}

// While callwatch starts webhooks are taken, probes tell it, and everything else is to be asked
// again.
func TestStarting(t *testing.T) {
	var kept memory
	base := serve(t, handlers.Config{
		Starting: true, Store: kept.store,
		Ready: func(context.Context) handlers.Readiness {
			return handlers.Readiness{Starting: true, Checks: []handlers.Check{{Name: "store", State: handlers.Failing}}}
		},
	})
	if got := send(t, "POST", base+"/webhooks/tokened/"+url.PathEscape(urlToken), "{}", nil); got.status != 200 || len(kept.all()) != 1 {
		t.Errorf("a webhook: %d %s", got.status, got.body)
	}
	for _, tc := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/livez", 200, "live"},
		{"GET", "/readyz", 503, `{"status":"starting: taking webhooks"}`},
		{"GET", "/", 503, "is starting"},
		{"GET", "/calls", 503, "is starting"},
		{"GET", "/metrics", 503, "is starting"},
		{"POST", "/api/v1/silences", 503, "is starting"},
		{"POST", "/slack/interactions", 503, "is starting"},
		{"GET", "/webhooks/tokened", 405, "Method not allowed"},
		{"POST", "/webhooks/nobody", 404, "Unknown provider"},
	} {
		got := send(t, tc.method, base+tc.path, "", nil)
		if got.status != tc.status || !strings.Contains(got.body, tc.want) || (got.status == 503) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%s %s: %d %s, Retry-After %q", tc.method, tc.path, got.status, got.body, got.header.Get("Retry-After"))
		}
	}
}

// Everybody may ask for metrics and readiness, and what it costs is bounded however many ask.
func TestProbesOfManyAtOnce(t *testing.T) {
	var scrapes, looks, most atomic.Int64
	release := make(chan struct{})
	base := serve(t, handlers.Config{
		Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			most.Store(max(most.Load(), scrapes.Add(1)))
			defer scrapes.Add(-1)
			<-release
		}),
		Ready: func(context.Context) handlers.Readiness {
			looks.Add(1)
			<-release
			return handlers.Readiness{}
		},
	})
	const askers = 60
	var refused, served, ready atomic.Int64
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			switch got := send(t, "GET", base+"/metrics", "", nil); {
			case got.status == 200:
				served.Add(1)
			case got.status == 503 && got.header.Get("Retry-After") != "":
				refused.Add(1)
			}
		})
		all.Go(func() {
			if got := send(t, "GET", base+"/readyz", "", nil); got.status == 200 {
				ready.Add(1)
			}
		})
	}
	for deadline := time.Now().Add(20 * time.Second); refused.Load() < askers-8 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	close(release)
	all.Wait()
	if most.Load() != 8 || served.Load() != 8 || refused.Load() != askers-8 {
		t.Errorf("%d scrapes at a time, %d served, %d refused", most.Load(), served.Load(), refused.Load())
	}
	if ready.Load() != askers || looks.Load() > askers/2 {
		t.Errorf("%d are told ready, after %d looks", ready.Load(), looks.Load())
	}
}

func TestNoMetricsConfigured(t *testing.T) {
	got := send(t, "GET", serve(t, handlers.Config{})+"/metrics", "", nil)
	if got.status != 404 {
		t.Errorf("status %d", got.status)
	}
}

// TestPanicElsewhere: a fault outside the webhooks is a 500 without its cause.
func TestPanicElsewhere(t *testing.T) {
	base := serve(t, handlers.Config{Ready: func(context.Context) handlers.Readiness { panic("secret cause") }})
	got := send(t, "GET", base+"/readyz", "", nil)
	if got.status != 500 || strings.Contains(got.body, "secret") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := send(t, "GET", base+"/livez", "", nil); got.status != 200 {
		t.Errorf("after the panic: %d", got.status)
	}
}

func TestSecurityHeaders(t *testing.T) {
	base := serve(t, handlers.Config{Dev: true, Preview: newFeed(samplePage())})
	seen := map[string]bool{}
	for _, path := range []string{"/", "/livez", "/nothing", "/webhooks/signing", "/assets/preview.js"} {
		got := send(t, "GET", base+path, "", map[string]string{"X-Request-Id": "chosen"})
		csp := got.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: CSP %q", path, csp)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers %v", path, got.header)
		}
		id := got.header.Get("X-Request-Id")
		if id == "" || id == "chosen" || seen[id] {
			t.Errorf("%s: request id %q", path, id)
		}
		seen[id] = true
	}
}
