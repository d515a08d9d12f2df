package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	pruneEvery = 30 * time.Second // by age
	// pruneStep is the part of a stream that is removed at once when the disk is full,
	// in percent.
	pruneStep = 5
	// rawFloor is the part of the limit that RAW keeps before events are removed for
	// lack of space, in percent.
	rawFloor = 10
	pruneAt  = 95 // percent of the limit
	floorKey = "floor:"
)

// Watermarks are the last sequences of each stream that all stages have processed.
// What is behind them is never removed for lack of space.
type Watermarks struct{ Raw, Events uint64 }

// Guard sets how far the stages have come. Without it nothing is removed for lack of
// space.
func (s *Store) Guard(fn func() Watermarks) { s.guard.Store(&fn) }

// Usage is how much the store holds and may hold, in bytes.
type Usage struct {
	Used, Limit uint64
	PerDay      uint64 // growth, by what was stored since the start; 0 in the first minute
}

// DaysLeft is when the limit is reached at this growth; ok is false when the store
// does not grow. From then on the oldest webhooks go before their time.
func (u Usage) DaysLeft() (days float64, ok bool) {
	if u.PerDay == 0 || u.Limit == 0 {
		return 0, false
	}
	return float64(u.Limit-min(u.Used, u.Limit)) / float64(u.PerDay), true
}

// Usage reports how full the store is; zero on an external server.
func (s *Store) Usage() Usage {
	if u := s.usage.Load(); u != nil {
		return *u
	}
	return Usage{}
}

// measure finds out how much is used and how much may be.
func (s *Store) measure(w *watch) (Usage, error) {
	free, err := freeDisk(s.cfg.Dir)
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	for _, n := range s.node.bytes() {
		u.Used += n
	}
	u.Limit = uint64(s.cfg.MaxStore)
	if most := u.Used + free - min(free, 2*uint64(s.cfg.Reserve)); u.Limit == 0 || most < u.Limit {
		u.Limit = most
	}
	now := time.Now()
	if w.began.IsZero() {
		w.began, w.beganAt = now, u.Used+w.pruned
	}
	if passed := now.Sub(w.began); passed > time.Minute && u.Used+w.pruned > w.beganAt {
		u.PerDay = uint64(float64(u.Used+w.pruned-w.beganAt) / passed.Hours() * 24)
	}
	s.usage.Store(&u)
	return u, nil
}

// retain removes what is older than it is to be kept, and the oldest webhooks and
// events when there is no space for new ones.
func (s *Store) retain(w *watch) error {
	if s.node == nil {
		return nil
	}
	u, err := s.measure(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.closed, setupWait)
	defer cancel()
	if keep := s.cfg.Retention.Raw; keep > 0 && time.Since(w.aged) > pruneEvery {
		w.aged = time.Now()
		pruned := w.pruned
		seq, err := s.firstSince(ctx, rawStream, time.Now().Add(-keep))
		if err == nil {
			err = s.pruneRaw(ctx, seq, w)
		}
		w.pruned = pruned // what is removed in its time is no growth
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
		if u, err = s.measure(w); err != nil {
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
	guard := s.guard.Load()
	if guard == nil {
		return nil
	}
	done := (*guard)()
	size := s.node.bytes()
	raw, err := s.raw.Info(ctx)
	if err != nil {
		return readError(ctx, err)
	}
	if to := partOf(raw.State, done.Raw); size[rawStream] > u.Limit/100*rawFloor && to > raw.State.FirstSeq {
		return s.pruneRaw(ctx, to, w)
	}
	events, err := s.events.Info(ctx)
	if err != nil {
		return readError(ctx, err)
	}
	if to := partOf(events.State, done.Events); to > events.State.FirstSeq {
		s.log.Info("oldest events are removed: the store is at its limit", "before", to)
		return s.prune(ctx, s.events, eventStream, to, w)
	}
	if to := partOf(raw.State, done.Raw); to > raw.State.FirstSeq {
		return s.pruneRaw(ctx, to, w)
	}
	return nil
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
	if guard := s.guard.Load(); guard != nil {
		to = min(to, (*guard)().Raw)
	}
	if to <= s.raw.CachedInfo().State.FirstSeq || to <= s.floor.Load() {
		return nil
	}
	s.floor.Store(to)
	var err error
	if w.marks, err = s.node.writeMarks(nil, to); err != nil {
		return err
	}
	s.log.Info("oldest webhooks are removed", "before", to)
	return s.prune(ctx, s.raw, rawStream, to, w)
}

func (s *Store) prune(ctx context.Context, st jetstream.Stream, name string, to uint64, w *watch) error {
	before := s.node.bytes()[name]
	if err := st.Purge(ctx, jetstream.WithPurgeSequence(to)); err != nil {
		return classify(err)
	}
	if after := s.node.bytes()[name]; after < before {
		w.pruned += before - after
	}
	return nil
}

// firstSince is the sequence of the first message stored at or after a time; the one
// behind the last where there is none.
func (s *Store) firstSince(ctx context.Context, stream string, at time.Time) (seq uint64, err error) {
	st, err := s.jsOf(stream).Stream(ctx, stream)
	if err != nil {
		return 0, readError(ctx, err)
	}
	c := cursor{store: s, stream: stream, since: at, batch: 1, toEnd: true, headers: true}
	seq = st.CachedInfo().State.LastSeq + 1
	c.deliver = func(_ jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		seq = meta.Sequence.Stream
		return errEnough
	}
	if err := c.run(ctx); err != nil && !errors.Is(err, errEnough) {
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
