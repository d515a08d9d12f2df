package query

import (
	"context"
	"errors"
	"slices"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// What is read of one call at most: its latest events and incidents.
const (
	maxEvents      = 500
	maxIncidents   = 20
	maxTransitions = 500
)

func (r *Reader) call(ctx context.Context, k call.Key) (backend.CallHistory, error) {
	c := backend.CallHistory{Events: []backend.StoredEvent{}, Incidents: []rules.Incident{}}
	complete := r.callsReady.await(ctx) && r.incidentsReady.await(ctx)
	seqs := r.calls.find(r.calls.hash(k))
	c.Omitted = max(0, len(seqs)-maxEvents)
	for _, seq := range seqs[:len(seqs)-c.Omitted] {
		m, err := r.cfg.Store.EventAt(ctx, seq)
		if errors.Is(err, stream.ErrNotFound) {
			continue
		}
		if err != nil {
			return c, err
		}
		e := backend.StoredEvent{Seq: m.Seq, At: m.CountsAt()}
		if r.counts(&m) && eventlog.Decode(m.Data, true, &e.Event) == nil && e.Event.Key() == k {
			c.Events = append(c.Events, e)
		}
	}
	if len(c.Events) == 0 {
		kept, ok, err := r.keptUnder(ctx, k)
		switch {
		case err != nil:
			return c, err
		case ok:
			return r.call(ctx, kept)
		case !complete:
			return c, backend.ErrIndexing
		}
		return c, backend.ErrNotFound
	}
	c.Partial = !complete
	slices.Reverse(c.Events)
	slices.SortStableFunc(c.Events, func(a, b backend.StoredEvent) int { return a.At.Compare(b.At) })
	var folded call.Call
	for i := range c.Events {
		e := c.Events[i].Event.Clone()
		folded.FoldWith(&e, r.cfg.Fold)
	}
	c.Call = folded.Event
	var err error
	c.Incidents, err = r.incidentsNaming(ctx, k)
	return c, err
}

// keptUnder returns the key of the call that has k's id as an alias.
func (r *Reader) keptUnder(ctx context.Context, k call.Key) (call.Key, bool, error) {
	for _, seq := range r.aliases.find(r.aliases.hash(k)) {
		m, err := r.cfg.Store.EventAt(ctx, seq)
		switch {
		case errors.Is(err, stream.ErrNotFound):
			continue
		case err != nil:
			return k, false, err
		}
		if m.Provider() == k.Provider && m.Account() == k.Account && m.CallID() != k.CallID && r.counts(&m) && slices.Contains(m.Aliases(), k.CallID) {
			return k.With(m.CallID()), true, nil
		}
	}
	return k, false, nil
}

// incidentsNaming are the latest incidents that name the call, as they are now.
func (r *Reader) incidentsNaming(ctx context.Context, k call.Key) ([]rules.Incident, error) {
	found := []rules.Incident{}
	for _, hash := range r.incidents.naming(r.calls.hash(k)) {
		seqs := r.incidents.of(hash)
		if len(seqs) == 0 {
			continue
		}
		t, err := r.transition(ctx, seqs[len(seqs)-1])
		switch {
		case errors.Is(err, backend.ErrNotFound):
			continue
		case err != nil:
			return found, err
		}
		if found = append(found, t.Transition.Incident); len(found) == maxIncidents {
			break
		}
	}
	return found, nil
}

func (r *Reader) transition(ctx context.Context, seq uint64) (backend.StoredTransition, error) {
	st, err := r.cfg.Store.TransitionAt(ctx, seq)
	if err != nil {
		return backend.StoredTransition{}, notFound(err)
	}
	return storedTransition(&st)
}

func (r *Reader) incident(ctx context.Context, id string) (backend.IncidentHistory, error) {
	var x backend.IncidentHistory
	complete := r.incidentsReady.await(ctx)
	seqs := r.incidents.of(r.incidents.hash(id))
	for _, seq := range seqs[max(0, len(seqs)-maxTransitions):] {
		t, err := r.transition(ctx, seq)
		switch {
		case errors.Is(err, backend.ErrNotFound):
			continue
		case err != nil:
			return x, err
		case t.Transition.Incident.ID == id:
			x.Transitions, x.Incident = append(x.Transitions, t.Transition), t.Transition.Incident
		}
	}
	switch {
	case len(x.Transitions) == 0 && !complete:
		return x, backend.ErrIndexing
	case len(x.Transitions) == 0:
		return x, backend.ErrNotFound
	}
	x.Thread = r.thread(ctx, &x.Incident)
	if r.cfg.Undelivered != nil {
		x.Undelivered = r.cfg.Undelivered(ctx, id)
	}
	return x, nil
}

func (r *Reader) explain(ctx context.Context, k call.Key) (rules.CallExplanation, error) {
	c, err := r.call(ctx, k)
	if err != nil {
		return rules.CallExplanation{}, err
	}
	release, err := r.cfg.Turns.Take(ctx)
	if err != nil {
		return rules.CallExplanation{}, err
	}
	defer release()
	own := make([]Arrival, len(c.Events))
	for i := range c.Events {
		own[i] = Arrival{c.Events[i].At, c.Events[i].Event.Clone()}
	}
	replay := Replay{Store: r.cfg.Store, Set: r.cfg.Rules(), Options: engine.Options{Prefer: r.cfg.Fold.Prefer, Rate: r.cfg.Fold.Rate}}
	x, err := replay.Explain(ctx, c.Call.Key(), own)
	if err != nil {
		return x, notFound(err)
	}
	incidents := c.Incidents
	r.cfg.Engine(func(g *engine.Engine) {
		incidents = append(incidents, g.Incidents()...)
		for i := range x.Rules {
			g.Recall(&x.Rules[i], c.Call.Key())
		}
	})
	for i := range x.Rules {
		x.Rules[i].Incident = incidentOf(&x.Rules[i], incidents)
	}
	return x, nil
}

// incidentOf is the stored incident that a match belongs to: the ids that a replay
// gives are its own.
func incidentOf(x *rules.Explanation, incidents []rules.Incident) string {
	if x.Incident == "" {
		return ""
	}
	for i := range incidents {
		in := &incidents[i]
		over := !in.ResolvedAt.IsZero() && in.ResolvedAt.Before(x.At)
		if in.Rule == x.Rule && slices.Equal(in.By, x.By) && !in.OpenedAt.After(x.At) && !over {
			return in.ID
		}
	}
	return ""
}

func (r *Reader) try(ctx context.Context, expr string, k call.Key) (rules.Explanation, error) {
	release, err := r.cfg.Turns.Take(ctx)
	if err != nil {
		return rules.Explanation{}, err
	}
	defer release()
	set := r.cfg.Rules()
	if _, problems := set.Try(expr, &call.Event{}); problems.Errors() {
		return rules.Explanation{}, problems
	}
	c, err := r.call(ctx, k)
	if err != nil {
		return rules.Explanation{}, err
	}
	x, problems := set.Try(expr, &c.Call)
	if problems.Errors() {
		return x, problems
	}
	x.At = c.Events[len(c.Events)-1].At
	return x, nil
}
