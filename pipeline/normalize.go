package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/tombstone"
	"callwatch/stream"
)

// NormalizeConfig is what the stage needs.
type NormalizeConfig struct {
	Store     *stream.Store
	Leases    *stage.Leases
	Traffic   *stage.Traffic
	Damage    *Damage
	Providers normalizer.Registry
	// Find looks a provider up by its name, and says how the bodies of an account are normalized.
	Find func(name, account string) (normalizer.Provider, normalizer.Options, bool)
	// Normalized receives what became of one body: err makes it a dead letter,
	// no events mean that its kind is ignored.
	Normalized func(r *stream.Record, begun time.Time, events int, err error)
	// Erased are the calls of which no event is stored, and no body kept. Late receives
	// each body that was stored all the same.
	Erased *tombstone.Set
	Late   func(provider, account string)
	// Published receives how many events were stored.
	Published func(events int)
	Recent    *eventlog.Recent // receives the events that are stored; nil: nobody needs them
	Log       *slog.Logger
}

// Normalize turns stored webhooks into events.
type Normalize struct {
	cfg      NormalizeConfig
	yielding stage.Yielding
	done     atomic.Uint64 // frame of RAW of which, and of all before, the events are stored
}

// NewNormalize makes the stage.
func NewNormalize(c NormalizeConfig) *Normalize {
	return &Normalize{cfg: c, yielding: stage.Yielding{Traffic: c.Traffic}}
}

// Run normalizes webhooks as they are stored, while this replica holds the lease.
// It continues behind the last event that was stored, so that a stop at any point
// repeats and skips nothing.
func (n *Normalize) Run(ctx context.Context) error {
	lease := stream.Lease{Name: stage.NormalizeLease, Watermark: n.Watermark} // maintenance on any replica waits for it
	return n.cfg.Leases.Hold(ctx, lease, func(ctx context.Context, _ uint64) error { return n.from(ctx, n.cfg.Store.Records) })
}

// RunStored normalizes the webhooks that are stored, and returns.
func (n *Normalize) RunStored(ctx context.Context) error {
	return n.from(ctx, n.cfg.Store.StoredRecords)
}

// Watermark is the last frame of RAW up to which this replica knows all events to
// be stored.
func (n *Normalize) Watermark() uint64 { return max(n.done.Load(), n.cfg.Store.PassedOver()) }

// Reached is the last frame of RAW up to which all events are stored, whichever
// replica normalizes.
func (n *Normalize) Reached(ctx context.Context) (uint64, error) {
	if n.cfg.Store.Alone() || n.cfg.Leases.Holds(stage.NormalizeLease) {
		return n.Watermark(), nil
	}
	return n.cfg.Store.Watermark(ctx, stage.NormalizeLease)
}

// reading is one of the store's ways to read RAW from a position on.
type reading func(ctx context.Context, from stream.Position, fn func([]stream.Record) error, damaged func(*stream.Damage)) error

func (n *Normalize) from(ctx context.Context, read reading) error {
	last, index, any, err := n.cfg.Store.LastPublished(ctx)
	if err != nil {
		return fmt.Errorf("find the last event: %w", err)
	}
	whole := last.Seq
	if any {
		if _, err := n.cfg.Store.Record(ctx, last.String()); !errors.Is(err, stream.ErrNotFound) {
			whole-- // of its frame more may be missing
		}
	}
	n.done.Store(whole)
	aliases, err := n.knownAliases(ctx)
	if err != nil {
		return err
	}
	late, err := n.cfg.Erased.Late(ctx)
	if err != nil {
		return err
	}
	publish := func(records []stream.Record, frame uint64) error {
		made, err := n.eventsOfAll(ctx, records)
		if err != nil {
			return err
		}
		if any && records[0].At == last {
			made[0] = made[0][min(len(made[0]), index+1):]
		}
		events := slices.Concat(made...)
		if err := n.rename(aliases, events); err != nil {
			return err
		}
		events, of := n.withoutErased(events)
		if err := n.cfg.Erased.NoteLate(ctx, of); err != nil {
			return err
		}
		if err := n.cfg.Store.PublishEvents(ctx, events); err != nil {
			return fmt.Errorf("publish events: %w", err)
		}
		n.done.Store(frame)
		// A frame that is rewritten before all of it was normalized would be skipped.
		late = append(late, of...)
		if len(late) > 0 && !slices.ContainsFunc(late, func(p stream.Position) bool { return p.Seq > frame }) {
			if err := n.cfg.Erased.Blank(ctx, n.cfg.Store, late); err != nil {
				return err
			}
			late = nil
		}
		n.cfg.Published(len(events))
		n.yielding.Did(len(records), records[0].ReceivedAt)
		return nil
	}
	return read(ctx, last, func(records []stream.Record) error {
		for len(records) > 0 {
			size := n.yielding.Batch(len(records))
			frame := records[size-1].At.Seq
			if size < len(records) && records[size].At.Seq == frame {
				frame-- // the rest of the frame follows
			}
			if err := publish(records[:size], frame); err != nil {
				return err
			}
			records = records[size:]
		}
		return nil
	}, n.cfg.Damage.Webhooks)
}

// withoutErased leaves out the events of erased calls, and tells from which bodies
// they were.
func (n *Normalize) withoutErased(events []stream.Event) (kept []stream.Event, late []stream.Position) {
	if !n.cfg.Erased.Any() {
		return events, nil
	}
	kept = slices.DeleteFunc(events, func(e stream.Event) bool {
		gone := n.cfg.Erased.Of(call.Key{Provider: e.Provider, Account: e.Account, CallID: e.CallID}, e.Aliases)
		if gone && !slices.Contains(late, e.Raw) {
			late = append(late, e.Raw)
			n.cfg.Late(e.Provider, e.Account)
		}
		return gone
	})
	return kept, late
}

// eventsOfAll normalizes records on several processors, and keeps their order.
func (n *Normalize) eventsOfAll(ctx context.Context, records []stream.Record) ([][]stream.Event, error) {
	made := make([][]stream.Event, len(records))
	errs := make([]error, len(records))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(n.yielding.Workers(), len(records)) {
		group.Go(func() {
			w := n.yielding.Pauser()
			for i := int(next.Add(1)) - 1; i < len(records); i = int(next.Add(1)) - 1 {
				w.Pause(ctx)
				made[i], errs[i] = n.eventsOf(ctx, &records[i])
			}
		})
	}
	group.Wait()
	return made, errors.Join(errs...)
}

// eventsOf normalizes one record. A body that cannot be normalized, or of which an event
// cannot be written, becomes a dead letter: a retry by the provider would not help.
func (n *Normalize) eventsOf(ctx context.Context, r *stream.Record) ([]stream.Event, error) {
	begun := time.Now()
	events, err := n.Events(r)
	var out []stream.Event
	if err == nil {
		if out, err = stored(r, events); err == nil {
			n.cfg.Recent.Add(out, events)
		}
	}
	n.cfg.Normalized(r, begun, len(events), err)
	nothing := err == nil && len(events) == 0
	if nothing && !r.CountsAt.IsZero() {
		return []stream.Event{eventlog.Nothing(r)}, nil
	}
	if err != nil {
		n.cfg.Log.Warn("webhook cannot be normalized", "provider", call.Source(r.Provider, r.Account), "raw", r.ID(), "err", err)
		dead := stream.DeadLetter{Raw: r.Origin(), Provider: r.Provider, Account: r.Account, Kind: "normalize", Error: err.Error(), Time: r.ReceivedAt}
		if err := n.cfg.Store.PutDeadLetter(ctx, dead); err != nil {
			return nil, fmt.Errorf("keep a dead letter: %w", err)
		}
		return nil, nil
	}
	debug := n.cfg.Log.Enabled(ctx, slog.LevelDebug)
	if nothing && debug {
		n.cfg.Log.Debug("webhook ignored", "provider", call.Source(r.Provider, r.Account), "raw", r.ID())
	}
	if debug {
		for i := range events {
			n.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "webhook normalized", slog.String("kind", string(events[i].Kind)), slog.Any("", &events[i]))
		}
	}
	return out, nil
}

// stored are the events of a record as they are stored.
func stored(r *stream.Record, events []call.Event) ([]stream.Event, error) {
	out := make([]stream.Event, len(events))
	for i := range events {
		e := &events[i]
		data, err := e.JSON()
		if err != nil {
			return nil, fmt.Errorf("write event %s: %w", e.ID, err)
		}
		out[i] = stream.Event{
			Provider: e.Provider, Account: e.Account, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Aliases: e.Aliases, Time: e.OccurredAt,
			Raw: r.At, Index: i, Data: data,
			Source: r.Source, Replaces: r.Replays, CountsAt: eventlog.CountsAt(r, e),
		}
	}
	return out, nil
}

// Events are the events of a record as the stage would make them. A panic in one
// provider's mapping is an error and does not stop the others.
func (n *Normalize) Events(r *stream.Record) (events []call.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the normalizer: %v", p)
		}
	}()
	provider, options, ok := n.cfg.Find(r.Provider, r.Account)
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", r.Provider)
	}
	return normalizer.Events(provider, &normalizer.Body{
		Provider: r.Provider, Account: r.Account, Source: normalizer.Source(r.Source), ContentType: r.ContentType,
		Header: r.Header, Bytes: r.Body, ReceivedAt: r.ReceivedAt, RawID: r.Origin().String(), Key: r.Key, CallID: r.CallID,
	}, options)
}
