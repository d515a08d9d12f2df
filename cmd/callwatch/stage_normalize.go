package main

import (
	"context"
	"fmt"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// keepBody makes a verified body durable: once it returns, the webhook is ours.
func (a *app) keepBody(ctx context.Context, b normalizer.Body) (string, error) {
	return a.store.Append(ctx, stream.Record{
		Provider: b.Provider, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key,
		CallID: b.CallID, Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
	})
}

// normalize turns stored webhooks into events. It goes on behind the last event
// that was published, so that a stop at any point repeats and skips nothing.
func (a *app) normalize(ctx context.Context) error {
	return a.normalizeFrom(ctx, a.store.Records)
}

// reading is one of the store's ways to read RAW from a position on.
type reading func(ctx context.Context, from stream.Position, fn func([]stream.Record) error, damaged func(*stream.Damage)) error

func (a *app) normalizeFrom(ctx context.Context, read reading) error {
	last, index, any, err := a.store.LastPublished(ctx)
	if err != nil {
		return fmt.Errorf("find the last event: %w", err)
	}
	a.stats.normalizedSeq.Store(last.Seq)
	return read(ctx, last, func(records []stream.Record) error {
		var events []stream.Event
		for i := range records {
			r := &records[i]
			made, err := a.eventsOf(ctx, r)
			if err != nil {
				return err
			}
			if any && r.At == last {
				made = made[min(len(made), index+1):]
			}
			events = append(events, made...)
		}
		if err := a.store.PublishEvents(ctx, events); err != nil {
			return fmt.Errorf("publish events: %w", err)
		}
		a.stats.normalized(records[len(records)-1].At.Seq, len(events))
		return nil
	}, func(d *stream.Damage) {
		a.stats.damaged.Add(1)
		a.log.Error("stored webhooks cannot be read", "first", d.First, "last", d.Last, "err", d.Err)
	})
}

// eventsOf normalizes one record. What cannot be normalized becomes a dead
// letter: it is ours now, a retry by the provider would not help.
func (a *app) eventsOf(ctx context.Context, r *stream.Record) ([]stream.Event, error) {
	events, err := a.safeEvents(r)
	if err != nil {
		a.stats.deadLetter(r.Provider)
		a.log.Warn("webhook cannot be normalized", "provider", r.Provider, "raw", r.ID(), "err", err)
		dead := stream.DeadLetter{Raw: r.Origin(), Provider: r.Provider, Kind: "normalize", Error: err.Error(), Time: r.ReceivedAt}
		if err := a.store.PutDeadLetter(ctx, dead); err != nil {
			return nil, fmt.Errorf("keep a dead letter: %w", err)
		}
		return nil, nil
	}
	if len(events) == 0 && !r.CountsAt.IsZero() {
		return []stream.Event{nothingLeft(r)}, nil
	}
	if len(events) == 0 {
		a.stats.ignored(r.Provider)
	}
	out := make([]stream.Event, len(events))
	for i := range events {
		e := &events[i]
		data, err := e.JSON()
		if err != nil {
			return nil, fmt.Errorf("write event %s: %w", e.ID, err)
		}
		out[i] = stream.Event{
			Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Time: e.OccurredAt,
			Raw: r.At, Index: i, Data: data,
			Source: r.Source, Replaces: r.Replays, CountsAt: countsAt(r, e),
		}
	}
	return out, nil
}

// safeEvents keeps a fault in one provider's mapping from stopping the others.
func (a *app) safeEvents(r *stream.Record) (events []call.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("fault in the normalizer: %v", p)
		}
	}()
	find := normalizer.Find
	if a.find != nil {
		find = a.find
	}
	p, ok := find(r.Provider)
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", r.Provider)
	}
	return normalizer.Events(p, &normalizer.Body{
		Provider: r.Provider, Source: normalizer.Source(r.Source), ContentType: r.ContentType,
		Header: r.Header, Bytes: r.Body, ReceivedAt: r.ReceivedAt, RawID: r.Origin().String(), Key: r.Key, CallID: r.CallID,
	}, a.cfg.normalizing())
}
