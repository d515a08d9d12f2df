package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/notifier"
	"callwatch/rules"
)

// traces tells OpenTelemetry what became of each webhook, from its request to the
// Slack post. The stages do not hand anything on for it: the ids of trace and
// spans follow from the id of the stored body, which every stage knows. A nil
// traces does nothing.
type traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer

	mu     sync.Mutex
	causes map[string]string // incident -> body that changed it last
	order  []string          // incidents, the one noted first at the front
}

const tracedIncidents = 10_000

// newTraces exports to where the environment variables of OpenTelemetry say; nil
// where they name no place.
func newTraces(ctx context.Context) (*traces, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	share := 1.0
	if arg := os.Getenv("OTEL_TRACES_SAMPLER_ARG"); arg != "" {
		if share, err = strconv.ParseFloat(arg, 64); err != nil || share < 0 || share > 1 {
			return nil, usage(fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is not a share from 0 to 1", arg))
		}
	}
	about, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", serviceName()), attribute.String("service.version", buildVersion().Version)))
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(share)), sdktrace.WithIDGenerator(derivedIDs{}))
	return &traces{provider: provider, tracer: provider.Tracer("callwatch"), causes: map[string]string{}}, nil
}

func serviceName() string {
	if name := os.Getenv("OTEL_SERVICE_NAME"); name != "" {
		return name
	}
	return "callwatch"
}

// close exports what is left.
func (t *traces) close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// rootSpan is the span that the others of a trace lie under.
const rootSpan = "webhook"

// span tells of one step with the body of an id. what distinguishes steps of the
// same name.
func (t *traces) span(rawID, name, what string, begun, ended time.Time, failed error, about ...attribute.KeyValue) {
	if t == nil || rawID == "" {
		return
	}
	ids := derived{traceOf(rawID), spanOf(rawID, name, what)}
	ctx := context.WithValue(context.Background(), derived{}, ids)
	if name != rootSpan {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: ids.trace, SpanID: spanOf(rawID, rootSpan, ""), TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	about = append(about, attribute.String("callwatch.raw_id", rawID))
	_, s := t.tracer.Start(ctx, name, trace.WithTimestamp(begun), trace.WithAttributes(about...))
	if failed != nil {
		s.SetStatus(codes.Error, failed.Error())
	}
	s.End(trace.WithTimestamp(ended))
}

// caused notes which body changed an incident last.
func (t *traces) caused(incident, rawID string) {
	if t == nil || rawID == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.causes[incident]; !known {
		if t.order = append(t.order, incident); len(t.order) > tracedIncidents {
			delete(t.causes, t.order[0])
			t.order = t.order[1:]
		}
	}
	t.causes[incident] = rawID
}

func (t *traces) causeOf(incident string) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.causes[incident]
}

// taken is told the end of every webhook request.
func (a *app) taken(o handlers.Observation) {
	a.stats.webhook(o)
	ended := time.Now()
	a.history.seen.note(o, ended)
	if a.traces == nil {
		return
	}
	a.traces.span(o.ID, rootSpan, "", ended.Add(-o.Took), ended, nil, attribute.String("callwatch.provider", o.Provider),
		attribute.String("callwatch.outcome", string(o.Outcome)), attribute.Int("http.request.body.size", o.Bytes))
}

// traceJudged tells how long an event was judged, and what came of it.
func (a *app) traceJudged(e *call.Event, begun time.Time, made []rules.Transition) {
	if a.traces == nil {
		return
	}
	steps := make([]string, len(made))
	for i, t := range made {
		steps[i] = t.Incident.ID + " " + string(t.Step)
		a.traces.caused(t.Incident.ID, e.RawID)
	}
	a.traces.span(e.RawID, "judge", e.ID, begun, time.Now(), nil, attribute.String("callwatch.event_id", e.ID),
		attribute.String("callwatch.call_id", e.CallID), attribute.StringSlice("callwatch.transitions", steps))
}

// sent is told of each call to Slack or another receiver.
func (a *app) sent(s notifier.Sending) {
	a.traces.span(a.traces.causeOf(s.Incident), "notify", s.Incident+s.What+s.Began.String(), s.Began, s.Ended, nil,
		attribute.String("callwatch.incident", s.Incident), attribute.String("callwatch.channel", s.Channel), attribute.String("callwatch.what", s.What))
}

// derived are the ids of a span that is about to begin; its zero value is the key
// under which they are handed to derivedIDs.
type derived struct {
	trace trace.TraceID
	span  trace.SpanID
}

type derivedIDs struct{}

// NewIDs takes the ids from the context.
func (derivedIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	ids, _ := ctx.Value(derived{}).(derived)
	return ids.trace, ids.span
}

// NewSpanID takes the id from the context.
func (derivedIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	ids, _ := ctx.Value(derived{}).(derived)
	return ids.span
}

func traceOf(rawID string) (id trace.TraceID) {
	sum := sha256.Sum256([]byte("trace " + rawID))
	copy(id[:], sum[:])
	return id
}

func spanOf(rawID, name, what string) (id trace.SpanID) {
	sum := sha256.Sum256([]byte("span " + rawID + " " + name + " " + what))
	copy(id[:], sum[:])
	return id
}
