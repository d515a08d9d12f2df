package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// countsAt is when an event of a record counts, zero for when it is stored.
// Imported ones count at their own time, but never later than they were received:
// a wrong clock must not carry the rules' time into the future.
func countsAt(r *stream.Record, e *call.Event) time.Time {
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

// nothingKind marks a correction that leaves no event of a record.
const nothingKind = "none"

func nothingLeft(r *stream.Record) stream.Event {
	return stream.Event{
		Provider: r.Provider, Kind: nothingKind, ID: "nothing:" + r.ID(), Raw: r.At, Data: []byte("null"),
		Source: r.Source, Replaces: r.Replays, CountsAt: r.CountsAt,
	}
}

// corrections tell which record's events stand for those of another. The last
// correction of a record is the one in force.
type corrections map[stream.Position]stream.Position

func (c corrections) note(m *stream.Message) {
	if of, ok := m.Replaces(); ok && m.Past() {
		c[of], _, _ = m.Raw()
	}
}

// inForce says whether events of the record raw, that correct those of the
// record of (zero: none), still count.
func (c corrections) inForce(raw, of stream.Position) bool {
	if _, corrected := c[raw]; corrected {
		return false
	}
	latest, ok := c[of]
	return !ok || latest == raw
}

// past is the history in a store: imported events and corrections, to be read in
// the order in which they count. Their content waits in a file, so that memory
// holds forty bytes of each.
type past struct {
	file      *os.File
	out       *bufio.Writer
	size      int64
	events    []pastEvent
	corrected corrections
	next      int
}

type pastEvent struct {
	at      time.Time
	offset  int64
	size    int
	raw, of stream.Position
	nothing bool
}

// readPast reads the history that was stored at or after since. Whoever calls it
// closes it.
func readPast(ctx context.Context, store *stream.Store, since time.Time) (*past, error) {
	p := &past{corrected: corrections{}}
	err := store.PastEvents(ctx, since, func(m stream.Message) error {
		p.corrected.note(&m)
		raw, _, _ := m.Raw()
		of, _ := m.Replaces()
		return p.add(pastEvent{at: m.CountsAt(), raw: raw, of: of, nothing: m.Kind() == nothingKind}, m.Data)
	})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// correct adds a correction that is not stored: what is left of a record's events.
func (p *past) correct(of stream.Position, at time.Time, left [][]byte) error {
	made := stream.Position{Seq: math.MaxUint64, Index: len(p.events)}
	p.corrected[of] = made
	for _, data := range left {
		if err := p.add(pastEvent{at: at, raw: made, of: of}, data); err != nil {
			return err
		}
	}
	return nil
}

func (p *past) add(e pastEvent, data []byte) (err error) {
	if p.file == nil {
		if p.file, err = os.CreateTemp("", "callwatch-history-*"); err != nil {
			return fmt.Errorf("put history in order: %w", err)
		}
		p.out = bufio.NewWriterSize(p.file, blockSize)
	}
	e.offset, e.size = p.size, len(data)
	if _, err := p.out.Write(data); err != nil {
		return fmt.Errorf("put history in order: %w", err)
	}
	p.size += int64(len(data))
	p.events = append(p.events, e)
	return nil
}

func (p *past) close() error {
	if p.file == nil {
		return nil
	}
	return errors.Join(p.file.Close(), os.Remove(p.file.Name()))
}

// sort ends adding and puts everything in order.
func (p *past) sort() error {
	slices.SortStableFunc(p.events, func(a, b pastEvent) int { return a.at.Compare(b.at) })
	return p.flush()
}

// flush makes everything that was added readable.
func (p *past) flush() error {
	if p.out == nil {
		return nil
	}
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("put history in order: %w", err)
	}
	return nil
}

func (p *past) data(e *pastEvent) ([]byte, error) {
	b := make([]byte, e.size)
	if _, err := p.file.ReadAt(b, e.offset); err != nil {
		return nil, fmt.Errorf("read history back: %w", err)
	}
	return b, nil
}

// before hands in what counts before a time and was not handed in yet.
func (p *past) before(at time.Time, fn func(storedEvent) error) error {
	for ; p.next < len(p.events) && p.events[p.next].at.Before(at); p.next++ {
		e := &p.events[p.next]
		if e.nothing || !p.corrected.inForce(e.raw, e.of) {
			continue
		}
		data, err := p.data(e)
		if err != nil {
			return err
		}
		if err := fn(storedEvent{at: e.at, data: data}); err != nil {
			return err
		}
	}
	return nil
}

// storedEvent is an event with the time at which it counts.
type storedEvent struct {
	at   time.Time
	data []byte
	none bool // a tick or mark: time passes
}

// inOrderOfTime reads the events in force that were stored at or after since in
// the order in which they count; ticks and marks stand between them. change, if
// any, adds corrections that are not stored. left is how many stored messages
// there still are.
func inOrderOfTime(ctx context.Context, store *stream.Store, since time.Time, change func(*past) error, fn func(e storedEvent, left uint64) error) (err error) {
	p, err := readPast(ctx, store, since)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if change != nil {
		if err := change(p); err != nil {
			return err
		}
	}
	if err := p.sort(); err != nil {
		return err
	}
	var left uint64
	history := func(e storedEvent) error { return fn(e, left) }
	err = store.StoredEvents(ctx, since, func(m stream.Message, more uint64) error {
		left = more
		if m.Past() {
			return nil
		}
		if raw, _, ok := m.Raw(); ok && !p.corrected.inForce(raw, stream.Position{}) {
			return nil
		}
		if err := p.before(m.Time, history); err != nil {
			return err
		}
		return fn(storedEvent{at: m.Time, data: m.Data, none: m.Tick || m.Mark}, more)
	})
	if err != nil {
		return err
	}
	return p.before(time.Unix(1<<40, 0), history)
}

// storedCallMessages are the events in force of one call, in the order in which
// they count; of any provider where that is "".
func storedCallMessages(ctx context.Context, store *stream.Store, provider, id string) ([]stream.Message, error) {
	corrected := corrections{}
	var found []stream.Message
	err := store.EventsOf(ctx, provider, func(m stream.Message) error {
		corrected.note(&m)
		if m.CallID() == id && m.Kind() != nothingKind {
			found = append(found, m)
		}
		return nil
	})
	found = slices.DeleteFunc(found, func(m stream.Message) bool {
		raw, _, _ := m.Raw()
		of, _ := m.Replaces()
		return !corrected.inForce(raw, of)
	})
	slices.SortStableFunc(found, func(a, b stream.Message) int { return a.CountsAt().Compare(b.CountsAt()) })
	return found, err
}
