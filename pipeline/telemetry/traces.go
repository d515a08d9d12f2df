package telemetry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"callwatch/notifier"
	"callwatch/pipeline"
	"callwatch/stream"
)

// Traces exports the way of each webhook, from its request to the Slack post. The
// stages pass nothing on for it: the ids of trace and spans follow from the id of the
// stored body, which every stage knows. A nil Traces does nothing.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer

	mu     sync.Mutex
	causes map[string]string // incident -> body that changed it last
	order  []string          // incidents, the one noted first at the front
}

// ErrSetting says that an environment variable has a value that cannot be used.
var ErrSetting = errors.New("wrong setting")

const tracedIncidents = 10_000

// NewTraces exports as the environment variables of OpenTelemetry say; nil where they
// name neither an endpoint nor an exporter, or switch it off. A value that cannot be used
// is ErrSetting.
func NewTraces(ctx context.Context, version string) (*Traces, error) {
	asked := slices.ContainsFunc([]string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		func(name string) bool { return os.Getenv(name) != "" })
	if !asked || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	sampler, err := samplerAsSet()
	if err != nil {
		return nil, err
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: traces: %w", ErrSetting, err)
	}
	if autoexport.IsNoneSpanExporter(exporter) {
		return nil, nil
	}
	// What the environment says goes over what comes before it.
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "callwatch"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("%w: traces: %w", ErrSetting, err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about),
		sdktrace.WithSampler(sampler), sdktrace.WithIDGenerator(derivedIDs{}))
	return &Traces{provider: provider, tracer: provider.Tracer("callwatch"), causes: map[string]string{}}, nil
}

// samplerAsSet is the sampler of OTEL_TRACES_SAMPLER. Spans of a trace are made apart
// from each other: each one is decided by the trace's id, as the first is.
func samplerAsSet() (sdktrace.Sampler, error) {
	share := 1.0
	if arg := os.Getenv("OTEL_TRACES_SAMPLER_ARG"); arg != "" {
		var err error
		if share, err = strconv.ParseFloat(arg, 64); err != nil || !(share >= 0 && share <= 1) {
			return nil, fmt.Errorf("%w: OTEL_TRACES_SAMPLER_ARG: %q is not a share from 0 to 1", ErrSetting, arg)
		}
	}
	switch name := os.Getenv("OTEL_TRACES_SAMPLER"); strings.TrimPrefix(name, "parentbased_") {
	case "", "traceidratio":
		return sdktrace.TraceIDRatioBased(share), nil
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	default:
		return nil, fmt.Errorf("%w: OTEL_TRACES_SAMPLER: %q is none of always_on, always_off, traceidratio", ErrSetting, name)
	}
}

// Close exports what is left.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

const (
	rootSpan = "webhook" // the others of a trace lie under it
	sendSpan = "notify"
)

// span records one step with the body of an id. what distinguishes steps of the
// same name.
func (t *Traces) span(rawID, name, what string, begun, ended time.Time, failed error, about ...attribute.KeyValue) {
	t.linked(rawID, name, what, trace.SpanContext{}, begun, ended, failed, about...)
}

// linked is span with a link to a span of another trace, if it is valid.
func (t *Traces) linked(rawID, name, what string, to trace.SpanContext, begun, ended time.Time, failed error, about ...attribute.KeyValue) {
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
	kind := trace.SpanKindInternal
	switch name {
	case rootSpan:
		kind = trace.SpanKindServer
	case sendSpan:
		kind = trace.SpanKindClient
	}
	with := []trace.SpanStartOption{trace.WithTimestamp(begun), trace.WithAttributes(about...), trace.WithSpanKind(kind)}
	if to.IsValid() {
		with = append(with, trace.WithLinks(trace.Link{SpanContext: to}))
	}
	_, s := t.tracer.Start(ctx, name, with...)
	if failed != nil {
		s.SetStatus(codes.Error, failed.Error())
	}
	s.End(trace.WithTimestamp(ended))
}

// caused notes which body changed an incident last.
func (t *Traces) caused(incident, rawID string) {
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

func (t *Traces) causeOf(incident string) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.causes[incident]
}

// Webhook traces a webhook request that has ended now. A link leads to the span of its
// sender: the trace is that of the stored body, and who sends does not choose its id, nor
// whether it is kept.
func (t *Traces) Webhook(w Webhook) {
	if t == nil {
		return
	}
	ended := time.Now()
	t.linked(w.ID, rootSpan, "", senderOf(w.Parent), ended.Add(-w.Took), ended, nil, append(sourceOf(w.Provider, w.Account),
		attribute.String("callwatch.outcome", w.Outcome), attribute.Int("http.request.body.size", w.Bytes))...)
}

const longestParent = 256 // of a traceparent; version 00 has 55

// senderOf reads a traceparent (W3C Trace Context); what is none is no span.
func senderOf(traceparent string) trace.SpanContext {
	if len(traceparent) > longestParent {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx)
}

// Normalized traces a body that was normalized.
func (t *Traces) Normalized(r *stream.Record, begun time.Time, err error) {
	if t == nil {
		return
	}
	t.span(r.ID(), "normalize", "", begun, time.Now(), err, sourceOf(r.Provider, r.Account)...)
}

// sourceOf says whose a webhook is.
func sourceOf(provider, account string) []attribute.KeyValue {
	of := []attribute.KeyValue{attribute.String("callwatch.provider", provider)}
	if account != "" {
		of = append(of, attribute.String("callwatch.account", account))
	}
	return of
}

// Judged traces an event that was judged, and what it caused.
func (t *Traces) Judged(j pipeline.Judgement) {
	if t == nil || j.Event == nil {
		return
	}
	e := j.Event
	steps := make([]string, len(j.Made))
	for i, made := range j.Made {
		steps[i] = made.Incident.ID + " " + string(made.Step)
		t.caused(made.Incident.ID, e.RawID)
	}
	t.span(e.RawID, "judge", e.ID, j.Begun, time.Now(), nil, attribute.String("callwatch.event_id", e.ID),
		attribute.String("callwatch.call_id", e.CallID), attribute.StringSlice("callwatch.transitions", steps))
}

// Sent traces a request to Slack or another receiver.
func (t *Traces) Sent(s notifier.Sending) {
	t.span(t.causeOf(s.Incident), sendSpan, s.Incident+s.What+s.Began.String(), s.Began, s.Ended, nil,
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
