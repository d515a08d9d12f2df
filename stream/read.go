package stream

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// framesAtOnce bounds a reader's memory: a frame has up to 1 MB, rarely more.
	framesAtOnce = 32
	// recordsAtOnce is where small frames are no longer joined for the reader.
	recordsAtOnce = 2 * maxFrameCount
)

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
func (s *Store) Record(ctx context.Context, id string) (Record, error) {
	at, err := ParsePosition(id)
	if err != nil {
		return Record{}, err
	}
	m, err := s.raw.GetMsg(ctx, at.Seq)
	if err != nil {
		return Record{}, fmt.Errorf("raw %s: %w", id, readError(ctx, err))
	}
	records, err := s.codec.decode(m.Data)
	if err != nil {
		return Record{}, &Damage{First: at.Seq, Last: at.Seq, Err: err}
	}
	if at.Index >= len(records) {
		return Record{}, fmt.Errorf("raw %s: %w", id, ErrNotFound)
	}
	r := records[at.Index]
	r.At = at
	return r, nil
}

// Records follows RAW from a position, which is included: what is stored, then
// what comes, in order, until ctx ends or fn fails; it returns their error. fn
// takes as many records as are at hand, at least one and at most about 500.
// Frames that are damaged or missing go to damaged and are passed over.
func (s *Store) Records(ctx context.Context, from Position, fn func([]Record) error, damaged func(*Damage)) error {
	r := rawReader{codec: s.codec, from: from, fn: fn, damaged: damaged, passed: &s.passed}
	if from.Seq > 0 {
		r.expect = from.Seq
	}
	c := cursor{store: s, stream: rawStream, next: from.Seq, batch: framesAtOnce, deliver: r.deliver}
	return c.run(ctx)
}

type rawReader struct {
	codec   *codec
	from    Position
	expect  uint64 // the next sequence; 0 when any may come
	records []Record
	fn      func([]Record) error
	damaged func(*Damage)
	passed  *atomic.Uint64
}

// PassedOver is the sequence in RAW of the last frame without records behind which
// Records has nothing left to hand over; 0 when there was none.
func (s *Store) PassedOver() uint64 { return s.passed.Load() }

func (r *rawReader) deliver(m jetstream.Msg, meta *jetstream.MsgMetadata, more bool) error {
	seq := meta.Sequence.Stream
	if r.expect != 0 && seq > r.expect {
		r.damaged(&Damage{First: r.expect, Last: seq - 1, Err: errMissing})
	}
	r.expect = seq + 1
	records, err := r.codec.decode(m.Data())
	if err != nil {
		r.damaged(&Damage{First: seq, Last: seq, Err: err})
	}
	for i := range records {
		records[i].At = Position{Seq: seq, Index: i}
	}
	if seq == r.from.Seq {
		records = records[min(r.from.Index, len(records)):]
	}
	if r.records == nil {
		r.records = records
	} else {
		r.records = append(r.records, records...)
	}
	if more && len(r.records) < recordsAtOnce {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	if len(records) == 0 {
		r.passed.Store(seq)
	}
	return nil
}

func (r *rawReader) flush() error {
	records := r.records
	r.records = nil
	if len(records) == 0 {
		return nil
	}
	return r.fn(records)
}
