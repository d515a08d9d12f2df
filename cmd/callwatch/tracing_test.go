package main

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is the far side of OTLP: it keeps the spans by trace.
type collector struct {
	mu    sync.Mutex
	spans map[string][]string // trace -> names
	roots map[string]int      // trace -> spans without a parent
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	data, err := io.ReadAll(body)
	var sent tracepb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(data, &sent)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range sent.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans[string(s.TraceId)] = append(c.spans[string(s.TraceId)], s.Name)
				if len(s.ParentSpanId) == 0 {
					c.roots[string(s.TraceId)]++
				}
			}
		}
	}
}

// TestTraces follows a webhook that raises an alert, from its request to the post
// in Slack, in one trace.
func TestTraces(t *testing.T) {
	far := &collector{spans: map[string][]string{}, roots: map[string]int{}}
	server := httptest.NewServer(far)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")

	_, url := fakeSlackServer(t)
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.Slack = SlackConfig{Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200}
	a, err := newApp(t.Context(), cfg, devMode, testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	body := `{"call_sid":"call_0123456789ab","status":"failed","duration":0,"timestamp":"2026-11-01T12:00:45Z","error_code":503,"error_message":"no route"}`
	res, err := http.Post("http://"+a.server.Addr().String()+"/webhooks/butter", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	eventually(t, "webhook, normalize, judge and notify in one trace", func() bool {
		far.mu.Lock()
		defer far.mu.Unlock()
		for id, names := range far.spans {
			all := true
			for _, want := range []string{"webhook", "normalize", "judge", "notify"} {
				all = all && slices.Contains(names, want)
			}
			if all && far.roots[id] == 1 {
				return true
			}
		}
		return false
	})
}
