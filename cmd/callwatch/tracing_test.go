package main

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/pipeline/telemetry"
)

// collector is the far side of OTLP: it keeps the spans by trace.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	requests atomic.Int64

	mu       sync.Mutex
	spans    map[string][]string // trace -> names
	roots    map[string]int      // trace -> spans without a parent
	kinds    map[string]string   // name -> kind
	links    map[string]string   // name -> trace that it links to, in hex
	resource map[string]string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
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
	c.keep(&sent)
}

func (c *collector) keep(sent *tracepb.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range sent.ResourceSpans {
		c.resource = map[string]string{}
		for _, a := range rs.Resource.GetAttributes() {
			c.resource[a.Key] = a.Value.GetStringValue()
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.kinds[s.Name] = s.Kind.String()
				for _, l := range s.Links {
					c.links[s.Name] = hex.EncodeToString(l.TraceId)
				}
				c.spans[string(s.TraceId)] = append(c.spans[string(s.TraceId)], s.Name)
				if len(s.ParentSpanId) == 0 {
					c.roots[string(s.TraceId)]++
				}
			}
		}
	}
}

// Export takes spans over gRPC.
func (c *collector) Export(_ context.Context, sent *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.requests.Add(1)
	c.keep(sent)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// senderTrace is the trace that webhooks come from.
const senderTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// TestTraces follows a webhook that raises an alert, from its request to the post in
// Slack, in one trace, to a receiver over HTTP and one over gRPC; switched off, nothing is
// sent.
func TestTraces(t *testing.T) {
	long(t)
	for name, c := range map[string]struct {
		env  map[string]string // HTTP and GRPC are the addresses of the receivers
		sent bool
	}{
		"http":             {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "HTTP"}, true},
		"http, of traces":  {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "HTTP/v1/traces", "OTEL_TRACES_EXPORTER": "otlp"}, true},
		"grpc":             {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "GRPC", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true},
		"disabled":         {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "HTTP", "OTEL_SDK_DISABLED": "true"}, false},
		"no exporter":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "HTTP", "OTEL_TRACES_EXPORTER": "none"}, false},
		"nothing sampled":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "HTTP", "OTEL_TRACES_SAMPLER": "always_off"}, false},
		"a share of none":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "HTTP", "OTEL_TRACES_SAMPLER_ARG": "0"}, false},
		"disabled by grpc": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "GRPC", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_SDK_DISABLED": "TRUE"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			far := &collector{spans: map[string][]string{}, roots: map[string]int{}, kinds: map[string]string{}, links: map[string]string{}}
			server := httptest.NewServer(far)
			t.Cleanup(server.Close)
			l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
			if err != nil {
				t.Fatal(err)
			}
			rpc := grpc.NewServer()
			tracepb.RegisterTraceServiceServer(rpc, far)
			go func() { _ = rpc.Serve(l) }()
			t.Cleanup(rpc.Stop)
			for k, v := range c.env {
				t.Setenv(k, strings.NewReplacer("HTTP", server.URL, "GRPC", "http://"+l.Addr().String()).Replace(v))
			}
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
			t.Setenv("OTEL_SERVICE_NAME", "voice-alerts")
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=other")

			_, url := fakeSlackServer(t)
			a, base := inDevelopment(t, testLogger(t), func(cfg *config.Config) {
				cfg.Slack = config.Slack{Token: "xoxb-test", Channel: "#voice", APIURL: url, Rate: 200}
			})
			failedCall(t, base, butterToken, "call_0123456789ab")
			if !c.sent {
				eventually(t, "announced", func() bool { return len(a.announce.Notifier().Status().Channels) > 0 })
				time.Sleep(300 * time.Millisecond)
				if n := far.requests.Load(); n > 0 {
					t.Errorf("%d requests were sent", n)
				}
				return
			}
			eventually(t, "webhook, normalize, judge and notify in one trace", far.whole)
			far.mu.Lock()
			defer far.mu.Unlock()
			if far.kinds["webhook"] != "SPAN_KIND_SERVER" || far.resource["service.name"] != "voice-alerts" || far.resource["deployment.environment.name"] != "test" || far.resource["service.version"] == "" {
				t.Errorf("kinds %v, resource %v", far.kinds, far.resource)
			}
			if far.links["webhook"] != senderTrace || len(far.links) != 1 {
				t.Errorf("links %v, want one to the sender's trace", far.links)
			}
		})
	}
}

// whole says whether some trace has all steps under one root.
func (c *collector) whole() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, names := range c.spans {
		all := true
		for _, want := range []string{"webhook", "normalize", "judge", "notify"} {
			all = all && slices.Contains(names, want)
		}
		if all && c.roots[id] == 1 {
			return true
		}
	}
	return false
}

// TestTraceSettings: what cannot be used is refused at the start.
func TestTraceSettings(t *testing.T) {
	for name, env := range map[string][2]string{
		"a share over 1": {"OTEL_TRACES_SAMPLER_ARG", "2"}, "a share that is none": {"OTEL_TRACES_SAMPLER_ARG", "NaN"},
		"a sampler": {"OTEL_TRACES_SAMPLER", "sometimes"}, "an exporter": {"OTEL_TRACES_EXPORTER", "pigeon"}, "a protocol": {"OTEL_EXPORTER_OTLP_PROTOCOL", "smoke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(env[0], env[1])
			if _, err := telemetry.NewTraces(t.Context(), "test"); !errors.Is(err, telemetry.ErrSetting) {
				t.Errorf("%v", err)
			}
		})
	}
}
