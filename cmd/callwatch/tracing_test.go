package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"callwatch/cmd/callwatch/internal/config"
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
	_, base := inDevelopment(t, testLogger(t), func(cfg *config.Config) {
		cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200}
	})
	failedCall(t, base, butterToken, "call_0123456789ab")
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
