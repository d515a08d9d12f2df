package main

import (
	"context"
	"fmt"
	"time"

	"callwatch/handlers"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/pipeline"
	"callwatch/pipeline/telemetry"
	"callwatch/rules"
	"callwatch/stream"
)

// expect makes counters begin at 0.
func (a *app) expect() {
	e := telemetry.Expected{Outcomes: names(handlers.Outcomes()), Fetched: names(fetch.Outcomes())}
	for _, of := range a.cfg.Sources() {
		source := telemetry.Source{Provider: of.Provider.Name, Account: of.Account}
		e.Sources = append(e.Sources, source)
		if a.cfg.Fetches(of) {
			e.Fetching = append(e.Fetching, source)
		}
	}
	a.metrics.Expect(e)
}

func names[T ~string](all []T) []string {
	var out []string
	for _, v := range all {
		out = append(out, string(v))
	}
	return out
}

// taken receives the end of every webhook request.
func (a *app) taken(o handlers.Observation) {
	w := telemetry.Webhook{
		ID: o.ID, Provider: o.Provider, Account: o.Account, Outcome: string(o.Outcome), Took: o.Took, Bytes: o.Bytes, Parent: o.Parent,
		Accepted: o.Outcome == handlers.Accepted || o.Outcome == handlers.Unverified,
	}
	a.metrics.Webhook(w)
	a.traces.Webhook(w)
	a.senders.note(o, time.Now())
}

// normalized receives each body that was normalized.
func (a *app) normalized(r *stream.Record, begun time.Time, events int, err error) {
	a.metrics.Normalized(r, events, err)
	a.traces.Normalized(r, begun, err)
}

// judged receives each event and tick that was judged.
func (a *app) judged(j pipeline.Judgement) {
	if j.Event == nil {
		return
	}
	a.metrics.Judged(j.Took)
	a.traces.Judged(j)
	if a.preview != nil {
		a.preview.Event(*j.Event)
	}
}

// incidentChanged receives each incident that is announced.
func (a *app) incidentChanged(in rules.Incident) {
	if a.preview != nil {
		a.preview.Incident(in)
	}
}

// act stores an action of a person. It reports whether the engine has applied it and
// the index shows it.
func (a *app) act(ctx context.Context, action rules.Action) (applied bool, err error) {
	if applied, err = a.judge.Act(ctx, action); applied {
		a.query.Current(ctx)
	}
	return applied, err
}

// testNormalize normalizes a body of which nothing is kept.
func (a *app) testNormalize(b normalizer.Body) (events int, err error) {
	p, options, ok := a.cfg.Normalizers()(b.Provider, b.Account)
	if !ok {
		return 0, fmt.Errorf("there is no provider %q", b.Provider)
	}
	made, err := normalizer.Events(p, &b, options)
	return len(made), err
}
