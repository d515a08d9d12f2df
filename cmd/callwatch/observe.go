package main

import (
	"context"
	"time"

	"callwatch/handlers"
	"callwatch/pipeline"
	"callwatch/pipeline/telemetry"
	"callwatch/rules"
	"callwatch/stream"
)

// taken receives the end of every webhook request.
func (a *app) taken(o handlers.Observation) {
	w := telemetry.Webhook{
		ID: o.ID, Provider: o.Provider, Outcome: string(o.Outcome), Took: o.Took, Bytes: o.Bytes,
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
