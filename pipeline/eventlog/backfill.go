package eventlog

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// CountsAt is the time at which an event of a record counts; zero is the time at
// which it is stored. Imported events count at their own time, but never later
// than they were received: a wrong clock must not move the rules' time into the
// future.
func CountsAt(r *stream.Record, e *call.Event) time.Time {
	if normalizer.Source(r.Source) != normalizer.Imported {
		return r.CountsAt
	}
	for _, t := range []time.Time{e.EndedAt, e.OccurredAt} {
		if !t.IsZero() && t.Before(r.ReceivedAt) {
			return t.UTC()
		}
	}
	return r.ReceivedAt.UTC()
}

// NoEvent is the kind of a correction that leaves no event of a record.
const NoEvent = "none"

// Nothing is the message of a correction that leaves no event of a record.
func Nothing(r *stream.Record) stream.Event {
	return stream.Event{
		Provider: r.Provider, Account: r.Account, Kind: NoEvent, ID: "nothing:" + r.ID(), Raw: r.At, Data: []byte("null"),
		Source: r.Source, Replaces: r.Replays, CountsAt: r.CountsAt,
	}
}

// Corrections map a record to the record whose events replace its own. The last
// correction of a record is in force.
type Corrections map[stream.Position]stream.Position

// Note records the correction that a message is part of, if it is one.
func (c Corrections) Note(m *stream.Message) {
	if of, ok := m.Replaces(); ok && m.Past() {
		c[of], _, _ = m.Raw()
	}
}

// InForce reports whether the events of the record raw count, which correct those
// of the record of (zero: none).
func (c Corrections) InForce(raw, of stream.Position) bool {
	if _, corrected := c[raw]; corrected {
		return false
	}
	latest, ok := c[of]
	return !ok || latest == raw
}

// Backfill is the imported and corrected events of a store, in the order in which
// they count. Their content is in a spool.
type Backfill struct {
	Entries     []Entry
	Corrections Corrections

	spool Spool
	next  int
}

// Entry is one event of the backfill. Of is the record that it corrects, zero for
// an imported event.
type Entry struct {
	At      time.Time
	Raw, Of stream.Position
	None    bool // of kind NoEvent

	content Content
}

// ReadBackfill reads the backfill that was stored at or after since, in order. The
// caller closes it.
func ReadBackfill(ctx context.Context, store *stream.Store, since time.Time) (*Backfill, error) {
	b := &Backfill{Corrections: Corrections{}}
	err := store.PastEvents(ctx, since, func(m stream.Message) error {
		b.Corrections.Note(&m)
		raw, _, _ := m.Raw()
		of, _ := m.Replaces()
		return b.add(Entry{At: m.CountsAt(), Raw: raw, Of: of, None: m.Kind() == NoEvent}, m.Data)
	})
	if err == nil {
		err = b.sort()
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Correct adds a correction that is not stored: the events that remain of a
// record.
func (b *Backfill) Correct(of stream.Position, at time.Time, remaining [][]byte) error {
	made := stream.Position{Seq: math.MaxUint64, Index: len(b.Entries)}
	b.Corrections[of] = made
	for _, data := range remaining {
		if err := b.add(Entry{At: at, Raw: made, Of: of}, data); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backfill) add(e Entry, data []byte) (err error) {
	if e.content, err = b.spool.Add(data); err != nil {
		return err
	}
	b.Entries = append(b.Entries, e)
	return nil
}

// sort puts the entries in order and makes their content readable.
func (b *Backfill) sort() error {
	slices.SortStableFunc(b.Entries, func(x, y Entry) int { return x.At.Compare(y.At) })
	return b.spool.Flush()
}

// Data reads the content of an entry.
func (b *Backfill) Data(e *Entry) ([]byte, error) { return b.spool.Read(e.content) }

// Close removes the spool.
func (b *Backfill) Close() error { return b.spool.Close() }

// before passes on the entries in force that count before a time and were not
// passed on yet.
func (b *Backfill) before(at time.Time, fn func(Stored) error) error {
	for ; b.next < len(b.Entries) && b.Entries[b.next].At.Before(at); b.next++ {
		e := &b.Entries[b.next]
		if e.None || !b.Corrections.InForce(e.Raw, e.Of) {
			continue
		}
		data, err := b.Data(e)
		if err != nil {
			return err
		}
		if err := fn(Stored{At: e.At, Data: data}); err != nil {
			return err
		}
	}
	return nil
}
