package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// keepBody makes a verified body durable: once it returns, the webhook is ours.
func (a *app) keepBody(ctx context.Context, b normalizer.Body) (string, error) {
	return a.store.Append(ctx, *recordOf(b))
}

func recordOf(b normalizer.Body) *stream.Record {
	return &stream.Record{
		Provider: b.Provider, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key,
		CallID: b.CallID, Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
	}
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
		made, err := a.eventsOfAll(ctx, records)
		if err != nil {
			return err
		}
		if any && records[0].At == last {
			made[0] = made[0][min(len(made[0]), index+1):]
		}
		events := slices.Concat(made...)
		if err := a.store.PublishEvents(ctx, events); err != nil {
			return fmt.Errorf("publish events: %w", err)
		}
		a.stats.normalized(records[len(records)-1].At.Seq, len(events))
		return nil
	}, a.damaged)
}

// eventsOfAll normalizes records, on as many processors as there are; the events
// of each stand at its place.
func (a *app) eventsOfAll(ctx context.Context, records []stream.Record) ([][]stream.Event, error) {
	made := make([][]stream.Event, len(records))
	errs := make([]error, len(records))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(records)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(records); i = int(next.Add(1)) - 1 {
				made[i], errs[i] = a.eventsOf(ctx, &records[i])
			}
		})
	}
	group.Wait()
	return made, errors.Join(errs...)
}

// eventsOf normalizes one record. What cannot be normalized becomes a dead
// letter: it is ours now, a retry by the provider would not help.
func (a *app) eventsOf(ctx context.Context, r *stream.Record) ([]stream.Event, error) {
	begun := time.Now()
	events, err := a.safeEvents(r)
	a.traces.span(r.ID(), "normalize", "", begun, time.Now(), err, attribute.String("callwatch.provider", r.Provider))
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
		a.log.Debug("webhook ignored", "provider", r.Provider, "raw", r.ID())
	}
	out := make([]stream.Event, len(events))
	for i := range events {
		e := &events[i]
		data, err := e.JSON()
		if err != nil {
			return nil, fmt.Errorf("write event %s: %w", e.ID, err)
		}
		a.log.LogAttrs(ctx, slog.LevelDebug, "webhook normalized", slog.String("kind", string(e.Kind)), slog.Any("", e))
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
	options := a.cfg.normalizing()
	options.Fetches = p.Unsigned && a.cfg.fetches(p) // of no interest for the others
	return normalizer.Events(p, &normalizer.Body{
		Provider: r.Provider, Source: normalizer.Source(r.Source), ContentType: r.ContentType,
		Header: r.Header, Bytes: r.Body, ReceivedAt: r.ReceivedAt, RawID: r.Origin().String(), Key: r.Key, CallID: r.CallID,
	}, options)
}
