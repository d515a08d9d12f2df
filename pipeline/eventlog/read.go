// Package eventlog reads events back: from the store in the order in which they
// count, with imports and corrections in place, and from files. Replays, backtests
// and queries read through it. It imports stream, call and normalizer.
package eventlog

import (
	"context"
	"errors"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/stream"
)

// Stored is a stored event with the time at which it counts.
type Stored struct {
	At   time.Time
	Data []byte
	Tick bool // a tick or an action: only time passes

	Action bool // Data is an action
}

// InOrder reads the events in force that were stored at or after since, in the
// order in which they count; ticks and actions come between them. change adds
// corrections that are not stored; nil adds none. left is the number of stored
// messages still to read.
func InOrder(ctx context.Context, store *stream.Store, since time.Time, change func(*Backfill) error, fn func(e Stored, left uint64) error) (err error) {
	b, err := ReadBackfill(ctx, store, since)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if change != nil {
		if err := change(b); err != nil {
			return err
		}
		if err := b.sort(); err != nil {
			return err
		}
	}
	var left uint64
	backfilled := func(e Stored) error { return fn(e, left) }
	err = store.StoredEvents(ctx, since, func(m stream.Message, more uint64) error {
		left = more
		if m.Past() {
			return nil
		}
		if raw, _, ok := m.Raw(); ok && !b.Corrections.InForce(raw, stream.Position{}) {
			return nil
		}
		if err := b.before(m.Time, backfilled); err != nil {
			return err
		}
		return fn(Stored{At: m.Time, Data: m.Data, Tick: m.Tick || m.Action, Action: m.Action}, more)
	})
	if err != nil {
		return err
	}
	return b.before(time.Unix(1<<40, 0), backfilled)
}

// OfCall reads the events in force of one call, in the order in which they count;
// of any provider if its provider is "".
func OfCall(ctx context.Context, store *stream.Store, k call.Key) ([]stream.Message, error) {
	corrected := Corrections{}
	var found []stream.Message
	err := store.EventsOf(ctx, k.Provider, func(m stream.Message) error {
		corrected.Note(&m)
		if m.CallID() == k.CallID && (m.Account() == k.Account || k.Provider == "") && m.Kind() != NoEvent {
			found = append(found, m)
		}
		return nil
	})
	found = slices.DeleteFunc(found, func(m stream.Message) bool {
		raw, _, _ := m.Raw()
		of, _ := m.Replaces()
		return !corrected.InForce(raw, of)
	})
	slices.SortStableFunc(found, func(a, b stream.Message) int { return a.CountsAt().Compare(b.CountsAt()) })
	return found, err
}

// Moment is one step of stream time: an event, or a tick if Event is nil.
type Moment struct {
	At    time.Time
	Event *call.Event
	Text  []byte // the event as call.ReadEvent reads it; nil: it is not known
}

// Reading says which stored events to read, and how.
type Reading struct {
	Since time.Time
	// Raw decodes the providers' own members too.
	Raw bool
	// Change adds corrections that are not stored; nil adds none.
	Change func(*Backfill) error
	// Progress receives the number of messages read and of all; nil for nobody.
	Progress func(done, total int64)
}

// BatchSize is the number of stored events that are decoded together.
const BatchSize = 256

// Read decodes the stored events on all processors and passes them on in order.
// It skips events that cannot be decoded, as judging does, and returns how many.
func Read(ctx context.Context, store *stream.Store, r Reading, fn func(Moment) error) (unreadable int, err error) {
	read := func(ctx context.Context, put func([]Stored) error) error {
		var batch []Stored
		var total uint64
		err := InOrder(ctx, store, r.Since, r.Change, func(e Stored, left uint64) error {
			total = max(total, left)
			if batch = append(batch, e); len(batch) < BatchSize {
				return nil
			}
			if r.Progress != nil {
				r.Progress(int64(total-left), int64(total)) //nolint:gosec // counts of messages
			}
			full := batch
			batch = make([]Stored, 0, BatchSize)
			return put(full)
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		return put(batch)
	}
	decode := func(batch []Stored) ([]Moment, error) { return decodeBatch(batch, r.Raw), nil }
	err = Parallel(ctx, read, decode, func(ms []Moment) error {
		for _, m := range ms {
			if m.Event != nil && m.Event.Provider == "" {
				unreadable++
				continue
			}
			if err := fn(m); err != nil {
				return err
			}
		}
		return nil
	})
	return unreadable, err
}

// decodeBatch decodes events; one without a provider cannot be read.
func decodeBatch(batch []Stored, raw bool) []Moment {
	out := make([]Moment, len(batch))
	for i := range batch {
		out[i].At = batch[i].At
		if batch[i].Tick { // rules under test cannot know what people did to incidents
			continue
		}
		e := &call.Event{}
		if Decode(batch[i].Data, raw, e) == nil {
			out[i].Text = batch[i].Data
		} else {
			*e = call.Event{}
		}
		out[i].Event = e
	}
	return out
}
