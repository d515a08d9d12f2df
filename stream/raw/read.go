// Package raw reads the webhooks as they were received, and removes what is to be erased
// among them. Of callwatch it imports the packages blocks, frame, jet and names.
package raw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const (
	// recordsAtOnce is where small frames are no longer joined for the reader.
	recordsAtOnce = 2 * frame.MaxRecords
	bytesAtOnce   = 4 << 20
)

// Webhooks are the webhooks of a store.
type Webhooks struct {
	conn     *jet.Conn
	stream   *jet.Stream
	codec    *frame.Codec
	handover *Handover
	pruned   func(context.Context) uint64
	passed   atomic.Uint64 // of PassedOver
}

// New returns the webhooks that are kept in a stream. What this process stores there is
// told to handover. pruned is the sequence up to which the stream was pruned: what is
// missing before it is no damage.
func New(conn *jet.Conn, stream *jet.Stream, codec *frame.Codec, handover *Handover, pruned func(context.Context) uint64) *Webhooks {
	return &Webhooks{conn: conn, stream: stream, codec: codec, handover: handover, pruned: pruned}
}

// Damage is a part of RAW that cannot be read: webhooks that were answered 200
// and are lost. Reading goes on behind it.
type Damage struct {
	First, Last uint64 // sequences of the frames
	Err         error  // what is wrong with them
}

func (d *Damage) Error() string {
	if d.First == d.Last {
		return fmt.Sprintf("raw frame %d: %v", d.First, d.Err)
	}
	return fmt.Sprintf("raw frames %d to %d: %v", d.First, d.Last, d.Err)
}

func (d *Damage) Unwrap() error { return d.Err }

// Record reads one record by its id; ErrNotFound when it is not, or no longer, stored.
func (s *Webhooks) Record(ctx context.Context, id string) (frame.Record, error) {
	at, err := frame.ParsePosition(id)
	if err != nil {
		return frame.Record{}, err
	}
	m, err := s.frame(ctx, at.Seq)
	if err != nil {
		return frame.Record{}, fmt.Errorf("raw %s: %w", id, jet.ReadError(ctx, err))
	}
	records, err := s.codec.Decode(m.Data)
	if errors.Is(err, frame.ErrNoFrame) {
		return frame.Record{}, fmt.Errorf("raw %s: %w", id, jet.ErrNotFound)
	}
	if err != nil {
		return frame.Record{}, &Damage{First: at.Seq, Last: at.Seq, Err: err}
	}
	if at.Index >= len(records) || records[at.Index].Erased() {
		return frame.Record{}, fmt.Errorf("raw %s: %w", id, jet.ErrNotFound)
	}
	r := records[at.Index]
	r.At = at
	return r, nil
}

// Records follows RAW from a position, which is included: what is stored, then
// what comes, in order, until ctx ends or fn fails; it returns their error. fn
// takes as many records as are at hand, at least one and at most about 500.
// Frames that are damaged or missing go to damaged and are passed over. Of a
// frame that was rewritten to erase a part of it the rest comes in its old place.
func (s *Webhooks) Records(ctx context.Context, from frame.Position, fn func([]frame.Record) error, damaged func(*Damage)) error {
	r := reader{of: s, from: from, expect: max(from.Seq, 1), partial: from.Seq == 0, fn: fn, damaged: damaged, passed: &s.passed}
	return r.run(ctx, jet.Cursor{Next: from.Seq})
}

// StoredRecords is Records that ends behind the last one.
func (s *Webhooks) StoredRecords(ctx context.Context, from frame.Position, fn func([]frame.Record) error, damaged func(*Damage)) error {
	r := reader{of: s, from: from, expect: max(from.Seq, 1), partial: from.Seq == 0, fn: fn, damaged: damaged}
	return r.run(ctx, jet.Cursor{Next: from.Seq, ToEnd: true})
}

// RecordsSince reads what was stored at or after since (zero: all), as
// StoredRecords does. left is how many frames there are behind those records.
func (s *Webhooks) RecordsSince(ctx context.Context, since time.Time, fn func(records []frame.Record, left uint64) error, damaged func(*Damage)) error {
	r := reader{of: s, damaged: damaged, partial: !since.IsZero()}
	if since.IsZero() {
		r.expect, r.partial = 1, true
	}
	r.fn = func(records []frame.Record) error { return fn(records, r.left) }
	return r.run(ctx, jet.Cursor{Since: since, ToEnd: true})
}

type reader struct {
	of      *Webhooks
	from    frame.Position
	expect  uint64 // the next sequence; 0 when any may come
	partial bool   // what is missing before the first frame is no damage
	left    uint64
	records []frame.Record // held, and the bytes of their bodies
	size    int
	fn      func([]frame.Record) error
	damaged func(*Damage)
	passed  *atomic.Uint64 // told of frames without records behind which nothing waits; nil for nobody
}

// PassedOver is the sequence in RAW of the last frame without records behind which
// Records has nothing left to hand over; 0 when there was none.
func (s *Webhooks) PassedOver() uint64 { return s.passed.Load() }

func (r *reader) run(ctx context.Context, c jet.Cursor) error {
	c.Conn, c.Stream, c.Batch = r.of.conn, names.RawStream, jet.FramesAtOnce
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error {
		return r.deliver(ctx, m, meta, more)
	}
	// On a cluster others store frames too.
	if c.ToEnd || !r.of.conn.Embedded || !r.of.handover.claim() {
		if err := c.Run(ctx); err != nil {
			return err
		}
		return r.flush() // more was at hand at what was the end
	}
	defer r.of.handover.release()
	return r.follow(ctx, c)
}

// errAtHand ends the reading from the server: what comes next was handed over.
var errAtHand = errors.New("the next frame is at hand")

// follow reads by turns what the server has and what is handed over.
func (r *reader) follow(ctx context.Context, c jet.Cursor) error {
	c.ToEnd, c.Patient = true, true
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error {
		err := r.deliver(ctx, m, meta, more)
		if err == nil && r.of.handover.has(r.expect) {
			err = errAtHand
		}
		return err
	}
	for behind := false; ; {
		at := r.expect
		if err := c.Run(ctx); err != nil && !errors.Is(err, errAtHand) {
			return err
		}
		c.Next = r.expect
		if behind && r.expect == at {
			c.CheckStuck(ctx)
		}
		var err error
		if behind, err = r.readHandedOver(ctx); err != nil {
			return err
		}
		if c.Next = r.expect; r.expect > at {
			continue
		}
		select {
		case <-time.After(jet.ReopenWait): // the server does not show it yet
		case <-ctx.Done():
		}
	}
}

// readHandedOver reads what is handed over, until the server has what comes next and knows
// alone what it is.
func (r *reader) readHandedOver(ctx context.Context) (behind bool, err error) {
	idle := time.NewTimer(jet.PullWait)
	defer idle.Stop()
	for ctx.Err() == nil {
		f, more, behind := r.of.handover.take(r.expect)
		if f.seq != 0 {
			if err := r.next(f.seq, f.records, more); err != nil {
				return false, err
			}
			continue
		}
		if err := r.flush(); err != nil || behind {
			return behind, err
		}
		select {
		case <-r.of.handover.wake:
		case <-idle.C: // others may have stored something: every client of the server's port
			if info, err := r.of.stream.Info(ctx); err != nil || info.State.LastSeq >= r.expect {
				return true, nil
			}
			idle.Reset(jet.PullWait)
		case <-r.of.conn.Closed.Done():
			return false, fmt.Errorf("%w: it is closed", jet.ErrUnavailable)
		case <-ctx.Done():
		}
	}
	return false, ctx.Err()
}

func (r *reader) deliver(ctx context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error {
	seq := meta.Sequence.Stream
	if r.expect != 0 && seq > r.expect {
		if err := r.gap(ctx, r.expect, seq-1); err != nil {
			return err
		}
	}
	r.left = meta.NumPending
	var records []frame.Record
	if m.Subject() == names.RawSubject { // a rewritten frame is read in the place of the one it rewrites
		records = r.decode(seq, m.Data())
	}
	return r.next(seq, records, more)
}

// next takes one more frame, and hands over what is held unless more come at once.
func (r *reader) next(seq uint64, records []frame.Record, more bool) error {
	r.expect, r.partial = seq+1, false
	empty := !r.hold(seq, records)
	if more && len(r.records) < recordsAtOnce && r.size < bytesAtOnce {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	if empty && r.passed != nil {
		r.passed.Store(seq)
	}
	return nil
}

// decode reads the records of a frame; of a damaged one there are none.
func (r *reader) decode(seq uint64, data []byte) []frame.Record {
	records, err := r.of.codec.Decode(data)
	switch {
	case errors.Is(err, frame.ErrNoFrame):
		r.of.conn.Skip(names.RawStream, names.RawSubject, seq, err)
	case err != nil:
		r.damaged(&Damage{First: seq, Last: seq, Err: err})
	}
	for i := range records {
		records[i].At = frame.Position{Seq: seq, Index: i}
	}
	return slices.DeleteFunc(records, func(x frame.Record) bool { return x.Erased() })
}

// hold holds the records of a frame, and says whether there are any.
func (r *reader) hold(seq uint64, records []frame.Record) bool {
	for seq == r.from.Seq && len(records) > 0 && records[0].At.Before(r.from) {
		records = records[1:]
	}
	for i := range records {
		r.size += len(records[i].Body)
	}
	if r.records == nil {
		r.records = records
	} else {
		r.records = append(r.records, records...)
	}
	return len(records) > 0
}

// gap takes the rewritten frames among those that are missing; the others are damage.
func (r *reader) gap(ctx context.Context, first, last uint64) error {
	if first = max(first, min(r.of.pruned(ctx), last+1)); first > last {
		return nil
	}
	rewritten, err := r.of.rewrites(ctx, first, last)
	if err != nil {
		return err
	}
	for _, w := range rewritten {
		if w.old > first && !r.partial {
			r.damaged(&Damage{First: first, Last: w.old - 1, Err: frame.ErrMissing})
		}
		if w.frame != nil {
			r.hold(w.old, r.decode(w.old, w.frame))
		}
		first = w.old + 1
	}
	if first <= last && !r.partial {
		r.damaged(&Damage{First: first, Last: last, Err: frame.ErrMissing})
	}
	return nil
}

func (r *reader) flush() error {
	records := r.records
	r.records, r.size = nil, 0
	if len(records) == 0 {
		return nil
	}
	return r.fn(records)
}
