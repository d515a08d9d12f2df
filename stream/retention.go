package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const (
	pruneEvery = 30 * time.Second // by age
	// pruneStep is the part of a stream that is removed at once when the disk is full,
	// in percent.
	pruneStep = 5
	// rawFloor is the part of the limit that RAW keeps before events are removed for
	// lack of space, in percent.
	rawFloor = 10
	pruneAt  = 95       // percent of the limit
	floorKey = "floor:" // RAW was pruned up to here
	earlyKey = "early:" // a stream was pruned for lack of space up to here
)

// errEnough ends a cursor that has read what was wanted.
var errEnough = errors.New("enough")

// Watermarks are the last sequences of each stream that all stages have processed.
// What is behind them is never removed by the store itself.
type Watermarks struct{ Raw, Events uint64 }

// Guard sets how far the stages have come. Without it nothing is removed but by Prune.
func (s *Store) Guard(fn func() Watermarks) { s.guard.Store(&fn) }

// processed is how far the stages have come; ok is false where that is unknown.
func (s *Store) processed(w *watch) (done Watermarks, ok bool) {
	if w.upTo != nil {
		done, ok = *w.upTo, true
	}
	guard := s.guard.Load()
	if guard == nil {
		return done, ok
	}
	now := (*guard)()
	if ok {
		now.Raw = min(now.Raw, done.Raw)
	}
	return now, true
}

// retain removes what is older than it is to be kept, and the oldest webhooks and
// events when there is no space for new ones.
func (s *Store) retain(w *watch) error {
	if s.node == nil {
		return nil
	}
	u, err := s.measure()
	if err != nil {
		return err
	}
	if _, ok := s.processed(w); !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.conn.Closed, setupWait)
	defer cancel()
	if keep := s.cfg.Retention.Raw; keep > 0 && time.Since(w.aged) > pruneEvery {
		w.aged = time.Now()
		seq, err := s.firstSince(ctx, names.RawStream, time.Now().Add(-keep))
		if err == nil {
			err = s.pruneRaw(ctx, seq, w)
		}
		if err != nil {
			return fmt.Errorf("remove old webhooks: %w", err)
		}
	}
	for range 100 / pruneStep {
		if u.Used < u.Limit/100*pruneAt {
			return nil
		}
		before := w.pruned
		if err := s.makeRoom(ctx, u, w); err != nil || w.pruned == before {
			return err
		}
		if u, err = s.measure(); err != nil {
			return err
		}
	}
	return nil
}

// makesRoom has the monitor remove what may go now, and reports whether it did.
func (s *Store) makesRoom(ctx context.Context) bool {
	done := make(chan struct{})
	select {
	case s.room <- done:
	case <-ctx.Done():
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// makeRoom removes a part of RAW, or of EVENTS where RAW is small already.
func (s *Store) makeRoom(ctx context.Context, u Usage, w *watch) error {
	done, ok := s.processed(w)
	if !ok {
		return nil
	}
	size := s.node.Bytes()
	raw, err := s.raw.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	if to := partOf(raw.State, done.Raw); size[names.RawStream] > u.Limit/100*rawFloor && to > raw.State.FirstSeq {
		return s.pruneEarly(ctx, s.raw, names.RawStream, w, func() error { return s.pruneRaw(ctx, to, w) })
	}
	events, err := s.events.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	if to := partOf(events.State, done.Events); to > events.State.FirstSeq {
		s.conn.Log.Info("oldest events are removed: the store is at its limit", "before", to)
		return s.pruneEarly(ctx, s.events, names.EventStream, w, func() error { return s.prune(ctx, s.events, names.EventStream, to, w) })
	}
	if to := partOf(raw.State, done.Raw); to > raw.State.FirstSeq {
		return s.pruneEarly(ctx, s.raw, names.RawStream, w, func() error { return s.pruneRaw(ctx, to, w) })
	}
	return nil
}

// pruneEarly notes that a stream lost its oldest messages for lack of space, and up
// to where, so that this is known after a start too.
func (s *Store) pruneEarly(ctx context.Context, st jetstream.Stream, name string, w *watch, remove func() error) error {
	before := w.pruned
	if err := remove(); err != nil || w.pruned == before {
		return err
	}
	info, err := st.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	s.prunedTo[name].Store(info.State.FirstSeq)
	w.marks, err = s.node.WriteMarks(nil, s.noted())
	return err
}

// noted are the sequences of retention that a start has to know.
func (s *Store) noted() map[string]uint64 {
	noted := map[string]uint64{}
	if floor := s.floor.Load(); floor > 0 {
		noted[floorKey+names.RawStream] = floor
	}
	for name, seq := range s.prunedTo {
		if seq := seq.Load(); seq > 0 {
			noted[earlyKey+name] = seq
		}
	}
	return noted
}

// partOf is the first sequence that stays when a part of a stream is removed, but
// not what lies behind a watermark.
func partOf(state jetstream.StreamState, done uint64) uint64 {
	span := state.LastSeq - min(state.FirstSeq, state.LastSeq)
	return min(state.FirstSeq+max(span*pruneStep/100, 1), done)
}

// pruneRaw removes the frames before a sequence. It notes the sequence first: what is
// missing before it is no damage.
func (s *Store) pruneRaw(ctx context.Context, to uint64, w *watch) error {
	if done, ok := s.processed(w); ok {
		to = min(to, done.Raw)
	}
	if to <= s.raw.CachedInfo().State.FirstSeq || to <= s.floor.Load() {
		return nil
	}
	s.floor.Store(to)
	var err error
	if w.marks, err = s.node.WriteMarks(nil, s.noted()); err != nil {
		return err
	}
	s.conn.Log.Info("oldest webhooks are removed", "before", to)
	return s.prune(ctx, s.raw, names.RawStream, to, w)
}

func (s *Store) prune(ctx context.Context, st jetstream.Stream, name string, to uint64, w *watch) error {
	before := s.node.Bytes()[name]
	if err := st.Purge(ctx, jetstream.WithPurgeSequence(to)); err != nil {
		return jet.Classify(err)
	}
	if after := s.node.Bytes()[name]; after < before {
		w.pruned += before - after
	}
	return nil
}

// firstSince is the sequence of the first message stored at or after a time; the one
// behind the last where there is none.
func (s *Store) firstSince(ctx context.Context, stream string, at time.Time) (seq uint64, err error) {
	st, err := s.jsOf(stream).Stream(ctx, stream)
	if err != nil {
		return 0, jet.ReadError(ctx, err)
	}
	c := jet.Cursor{Conn: s.conn, Stream: stream, Since: at, Batch: 1, ToEnd: true, Headers: true}
	seq = st.CachedInfo().State.LastSeq + 1
	c.Deliver = func(_ jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		seq = meta.Sequence.Stream
		return errEnough
	}
	if err := c.Run(ctx); err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	return seq, nil
}

// removed reports up to which sequence RAW was pruned: what is missing before it is
// no damage.
func (s *Store) removed(ctx context.Context) uint64 {
	if s.node != nil {
		return s.floor.Load()
	}
	info, err := s.raw.Info(ctx) // an external server removes by age
	if err != nil {
		return 0
	}
	return info.State.FirstSeq
}
