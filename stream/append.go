package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"callwatch/stream/embedded"
	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const (
	// appendDeadline is what a sender waits at most: some providers give up after two seconds.
	appendDeadline = 1500 * time.Millisecond
	queueLength    = 4 * frame.MaxRecords
)

// Append stores r and returns its id once it is durable. It answers
// ErrUnavailable within 1.5 s when that cannot be confirmed, ErrFull when the
// store has no room, ErrTooLarge when the record fits in no message.
//
// Records that wait while one frame is written share the next. Body and Header
// of r are not copied: they must stay as they are.
func (s *Store) Append(ctx context.Context, r Record) (string, error) {
	gate := s.gate.Load()
	if out := s.down.Load(); out != nil {
		return "", out.err
	}
	size := frame.RecordSize(&r)
	if size > frame.MaxPayload {
		return "", fmt.Errorf("%w: record of %d bytes", ErrTooLarge, len(r.Body))
	}
	caller := ctx
	if end, ok := caller.Deadline(); !ok || time.Until(end) > appendDeadline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(caller, appendDeadline)
		defer cancel()
	}
	w := s.committer.waiter(ctx, r, size)
	select {
	case s.committer.queue <- w:
	case <-ctx.Done():
		return "", s.gaveUp(caller)
	case <-s.committer.stopping:
		return "", fmt.Errorf("%w: it is being closed", ErrUnavailable)
	}
	select {
	case res := <-w.done:
		s.committer.recycle(w)
		if out := s.broken.Load(); out != nil {
			return "", out.err
		}
		if res.err != nil {
			return "", res.err
		}
		return res.at.String(), nil
	case <-gate.shut: // the committer still holds w, as in the next case
		if out := s.down.Load(); out != nil {
			return "", out.err
		}
		return "", ErrUnavailable
	case <-ctx.Done():
		return "", s.gaveUp(caller)
	case <-s.committer.stopped:
		return "", fmt.Errorf("%w: it is being closed", ErrUnavailable)
	}
}

func (s *Store) gaveUp(caller context.Context) error {
	if err := caller.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: not confirmed within %v", ErrUnavailable, appendDeadline)
}

// waiter is one record on its way, and where its answer goes.
type waiter struct {
	ctx    context.Context
	record Record
	size   int         // an upper bound, encoded
	done   chan result // holds one answer
}

type result struct {
	at  Position
	err error
}

// committer collects records into frames and publishes one frame at a time: the
// server writes one message after the other with an fsync each, so more frames
// in flight would only be smaller ones.
type committer struct {
	store    *Store
	codec    *frame.Codec
	queue    chan *waiter
	pool     sync.Pool
	stopping chan struct{} // closed by drain
	stopped  chan struct{} // closed when run has ended
	once     sync.Once

	payload, frame []byte
	frames         atomic.Uint64 // written
}

func newCommitter(s *Store) *committer {
	c := &committer{store: s, codec: s.codec, queue: make(chan *waiter, queueLength), stopping: make(chan struct{}), stopped: make(chan struct{})}
	c.pool.New = func() any { return &waiter{done: make(chan result, 1)} }
	return c
}

func (c *committer) waiter(ctx context.Context, r Record, size int) *waiter {
	w := c.pool.Get().(*waiter)
	w.ctx, w.record, w.size = ctx, r, size
	return w
}

func (c *committer) recycle(w *waiter) {
	w.ctx, w.record = nil, Record{}
	c.pool.Put(w)
}

// drain stores what is queued and stops.
func (c *committer) drain(ctx context.Context) error {
	c.once.Do(func() { close(c.stopping) })
	select {
	case <-c.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) run() {
	defer close(c.stopped)
	var held *waiter // did not fit in the frame before
	for {
		first := held
		if first == nil {
			select {
			case first = <-c.queue:
			case <-c.stopping:
				select {
				case first = <-c.queue:
				default:
					return
				}
			}
		}
		var batch []*waiter
		batch, held = c.collect(first)
		seq, err := c.publish(batch)
		for i, w := range batch {
			if err != nil {
				w.done <- result{err: err}
			} else {
				w.done <- result{at: Position{Seq: seq, Index: i}}
			}
		}
	}
}

// collect takes what waits now, up to the size of a frame.
func (c *committer) collect(first *waiter) (batch []*waiter, held *waiter) {
	batch = append(make([]*waiter, 0, min(frame.MaxRecords, len(c.queue)+1)), first)
	size, limit := first.size, min(frame.FullSize, c.limit())
	for len(batch) < frame.MaxRecords {
		select {
		case w := <-c.queue:
			if w.ctx.Err() != nil {
				continue // answered already; nobody would know its id
			}
			if size += w.size; size > limit {
				return batch, w
			}
			batch = append(batch, w)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// limit is the size of the largest frame the server takes. A payload is never
// stored larger than it is, so only a record alone in its frame can exceed it.
func (c *committer) limit() int {
	most := int64(embedded.MaxPayload)
	if c.store.early.Load() == nil {
		most = c.store.conn.NC.MaxPayload()
	}
	return int(most) - jet.MessageSlack - frame.HeaderSize - frame.TrailerSize
}

// publish stores a batch as one frame, durably.
func (c *committer) publish(batch []*waiter) (uint64, error) {
	c.store.switching.Lock()
	defer c.store.switching.Unlock()
	if out := c.store.down.Load(); out != nil {
		return 0, out.err
	}
	c.payload = c.payload[:0]
	for _, w := range batch {
		c.payload = frame.AppendRecord(c.payload, &w.record)
	}
	c.frame = c.codec.Encode(c.frame, c.payload, len(batch))
	if limit := c.limit(); len(c.frame) > limit {
		return 0, fmt.Errorf("%w: record of %d bytes is %d compressed, the server takes %d: raise its max_payload",
			ErrTooLarge, len(c.payload), len(c.frame), limit)
	}
	if f := c.store.early.Load(); f != nil {
		return c.store.appendEarly(f, c.frame)
	}
	ctx, cancel := context.WithTimeout(c.store.conn.Closed, appendDeadline)
	defer cancel()
	ack, err := c.store.conn.JS.PublishMsg(ctx, &nats.Msg{Subject: names.RawSubject, Data: c.frame})
	if err != nil && errors.Is(jet.Classify(err), ErrFull) && c.store.pruner.MakeRoom(ctx) {
		ack, err = c.store.conn.JS.PublishMsg(ctx, &nats.Msg{Subject: names.RawSubject, Data: c.frame})
	}
	if err == nil {
		c.frames.Add(1)
		c.store.handover.Offer(ack.Sequence, len(batch), func(i int) *Record { return &batch[i].record })
		return ack.Sequence, nil
	}
	err = jet.Classify(err)
	if !errors.Is(err, ErrTooLarge) {
		c.store.refuse(err)
	}
	return 0, err
}
