package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
)

// keepBody makes a verified body durable: once it returns, the webhook is ours.
func (a *app) keepBody(ctx context.Context, b normalizer.Body) (string, error) {
	a.arriving.begin()
	defer a.arriving.end()
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
	whole := last.Seq
	if any {
		if _, err := a.store.Record(ctx, last.String()); !errors.Is(err, stream.ErrNotFound) {
			whole-- // of its frame more may be missing
		}
	}
	a.stats.normalizedSeq.Store(whole)
	aliases, err := a.knownAliases(ctx)
	if err != nil {
		return err
	}
	some := func(records []stream.Record, through uint64) error {
		made, err := a.eventsOfAll(ctx, records)
		if err != nil {
			return err
		}
		if any && records[0].At == last {
			made[0] = made[0][min(len(made[0]), index+1):]
		}
		events := slices.Concat(made...)
		if err := a.rename(aliases, events); err != nil {
			return err
		}
		if err := a.store.PublishEvents(ctx, events); err != nil {
			return fmt.Errorf("publish events: %w", err)
		}
		a.stats.normalized(through, len(events))
		a.normalizing.did(len(records), records[0].ReceivedAt, a.arriving.total.Load())
		return nil
	}
	return read(ctx, last, func(records []stream.Record) error {
		for len(records) > 0 {
			n := a.normalizing.atOnce(len(records))
			through := records[n-1].At.Seq
			if n < len(records) && records[n].At.Seq == through {
				through-- // the rest of the frame follows
			}
			if err := some(records[:n], through); err != nil {
				return err
			}
			records = records[n:]
		}
		return nil
	}, a.damaged)
}

// normalizedHere is the last frame up to which this replica knows all events to be
// stored.
func (a *app) normalizedHere() uint64 {
	return max(a.stats.normalizedSeq.Load(), a.store.PassedOver())
}

// eventsOfAll normalizes records, on several processors; the events of each stand
// at its place.
func (a *app) eventsOfAll(ctx context.Context, records []stream.Record) ([][]stream.Event, error) {
	made := make([][]stream.Event, len(records))
	errs := make([]error, len(records))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(a.normalizing.workers(), len(records)) {
		group.Go(func() {
			t := a.turn(&a.normalizing)
			for i := int(next.Add(1)) - 1; i < len(records); i = int(next.Add(1)) - 1 {
				t.rest(ctx)
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
	if a.traces != nil {
		a.traces.span(r.ID(), "normalize", "", begun, time.Now(), err, attribute.String("callwatch.provider", r.Provider))
	}
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
		return []stream.Event{eventlog.Nothing(r)}, nil
	}
	if len(events) == 0 {
		a.stats.ignored(r.Provider)
		if a.log.Enabled(ctx, slog.LevelDebug) {
			a.log.Debug("webhook ignored", "provider", r.Provider, "raw", r.ID())
		}
	}
	out := make([]stream.Event, len(events))
	for i := range events {
		e := &events[i]
		data, err := e.JSON()
		if err != nil {
			return nil, fmt.Errorf("write event %s: %w", e.ID, err)
		}
		if a.log.Enabled(ctx, slog.LevelDebug) {
			a.log.LogAttrs(ctx, slog.LevelDebug, "webhook normalized", slog.String("kind", string(e.Kind)), slog.Any("", e))
		}
		out[i] = stream.Event{
			Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Aliases: e.Aliases, Time: e.OccurredAt,
			Raw: r.At, Index: i, Data: data,
			Source: r.Source, Replaces: r.Replays, CountsAt: eventlog.CountsAt(r, e),
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
	m, err := a.mapping(r.Provider)
	if err != nil {
		return nil, err
	}
	return normalizer.Events(m.provider, &normalizer.Body{
		Provider: r.Provider, Source: normalizer.Source(r.Source), ContentType: r.ContentType,
		Header: r.Header, Bytes: r.Body, ReceivedAt: r.ReceivedAt, RawID: r.Origin().String(), Key: r.Key, CallID: r.CallID,
	}, m.options)
}

// mapping is a provider whose bodies are normalized, and how.
type mapping struct {
	provider normalizer.Provider
	options  normalizer.Options
}

// mapping finds a provider by its name. Those callwatch knows are put together once.
func (a *app) mapping(name string) (*mapping, error) {
	if a.find != nil {
		return a.newMapping(a.find, name)
	}
	if m, ok := a.mappings.Load(name); ok {
		return m.(*mapping), nil
	}
	m, err := a.newMapping(normalizer.Find, name)
	if err == nil {
		a.mappings.Store(name, m)
	}
	return m, err
}

func (a *app) newMapping(find func(string) (normalizer.Provider, bool), name string) (*mapping, error) {
	p, ok := find(name)
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", name)
	}
	m := &mapping{provider: p, options: a.cfg.normalizing()}
	m.options.Fetches = a.cfg.fetches(p)
	return m, nil
}
