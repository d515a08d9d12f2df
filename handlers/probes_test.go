package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

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
