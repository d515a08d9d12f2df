package query

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/stream"
	"callwatch/stream/alerts"
)

const (
	pageEvents = 50
	mostEvents = 1000 // of one page

	// One page looks at no more events than that, and for no longer.
	mostScanned = 10_000
	scanTime    = 2 * time.Second
)

// sieve decides which stored events a query chooses.
type sieve struct {
	query  backend.EventQuery
	filter *rules.Filter // nil: none
}

func newSieve(q backend.EventQuery) (*sieve, error) {
	s := &sieve{query: q}
	if q.Filter == "" {
		return s, nil
	}
	filter, problems := rules.ParseFilter(q.Filter)
	if problems.Errors() {
		return nil, problems
	}
	s.filter = filter
	return s, nil
}

// pass reads the event of a message where the query chooses it. What cannot be
// read is passed over, as by the engine.
func (s *sieve) pass(m *stream.Message) (e backend.StoredEvent, ok bool) {
	switch {
	case m.Tick || m.Action || m.Kind() == eventlog.NoEvent,
		s.query.Provider != "" && s.query.Provider != m.Provider(),
		s.query.Account != "" && s.query.Account != m.Account(),
		s.query.Kind != "" && string(s.query.Kind) != m.Kind():
		return e, false
	}
	e = backend.StoredEvent{Seq: m.Seq, At: m.CountsAt()}
	if s.filter != nil {
		// Most events do not pass: what the filter does not look at is read of the others only.
		if eventlog.Decode(m.Data, s.filter.ReadsRaw(), &e.Event) != nil || s.filter.Holds(&e.Event) != rules.True {
			return e, false
		}
	}
	return e, eventlog.Decode(m.Data, true, &e.Event) == nil
}

func (r *Reader) events(ctx context.Context, q backend.EventQuery) (backend.EventPage, error) {
	page := backend.EventPage{Events: []backend.StoredEvent{}}
	s, err := newSieve(q)
	if err != nil {
		return page, err
	}
	limit := min(cmp.Or(max(q.Limit, 0), pageEvents), mostEvents)
	begun := time.Now()
	err = r.cfg.Store.EventsBefore(ctx, q.Before, func(m stream.Message) (more bool, err error) {
		if m.Seq <= q.After || m.Time.Before(q.Since) {
			return false, nil
		}
		page.Scanned++
		if e, ok := s.pass(&m); ok && r.counts(&m) {
			page.Events = append(page.Events, e)
		}
		more = len(page.Events) < limit && page.Scanned < mostScanned && (page.Scanned%256 != 0 || time.Since(begun) < scanTime)
		if !more && m.Seq > 1 {
			page.Next = m.Seq
		}
		return more, nil
	})
	return page, err
}

// follow passes a reader's own pace on to the store: nothing is dropped. History
// that is stored at the same time, imports and corrections, is no news.
func (r *Reader) follow(ctx context.Context, q backend.EventQuery, fn func(backend.StoredEvent) error) error {
	s, err := newSieve(q)
	if err != nil {
		return err
	}
	return r.cfg.Store.Follow(ctx, q.After+1, func(m stream.Message) error {
		if m.Past() || m.Time.Before(q.Since) {
			return nil
		}
		e, ok := s.pass(&m)
		if !ok {
			return nil
		}
		return fn(e)
	}, nil)
}

func (r *Reader) followIncidents(ctx context.Context, after uint64, fn func(backend.StoredTransition) error) error {
	unseen := alerts.NewUnseen(after + 1)
	return r.cfg.Store.FollowTransitions(ctx, after+1, func(st stream.Transition) error {
		if !unseen.New(&st) {
			return nil
		}
		t, err := storedTransition(&st)
		if err != nil {
			r.cfg.Log.Error("stored transition cannot be read", "seq", st.Seq, "err", err)
			return nil
		}
		return fn(t)
	}, nil)
}

func storedTransition(st *stream.Transition) (backend.StoredTransition, error) {
	t := backend.StoredTransition{Seq: st.Seq, At: st.Time}
	err := json.Unmarshal(st.Data, &t.Transition)
	return t, err
}
