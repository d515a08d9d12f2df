package retention

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/embedded"
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
	rawFloor  = 10
	pruneAt   = 95               // percent of the limit
	setupWait = 10 * time.Second // the disk may be slow

	floorKey = "floor:" // RAW was pruned up to here
	earlyKey = "early:" // a stream was pruned for lack of space up to here
)

// Pruner removes messages, in the goroutine that does its Work.
type Pruner struct {
	*Space
	floor  atomic.Uint64 // RAW was pruned up to here
	pruned uint64        // bytes removed since the start
	aged   time.Time     // when what is too old was removed last
	upTo   *Watermarks   // of the call of Prune that is under way
}

// New returns what prunes the streams raw and events, and what is known of their space.
// node is nil where the server is external. ended is closed when nobody does the Work any more.
func New(conn *jet.Conn, raw, events *jet.Stream, node *embedded.Server, cfg Config, ended <-chan struct{}) *Pruner {
	p := &Pruner{Space: &Space{conn: conn, raw: raw, events: events, node: node, cfg: cfg, work: make(chan func(*Pruner)), ended: ended}}
	p.prunedTo = map[string]*atomic.Uint64{names.RawStream: {}, names.EventStream: {}}
	if node != nil {
		p.floor.Store(node.Marks[floorKey+names.RawStream])
		for name, seq := range p.prunedTo {
			seq.Store(node.Marks[earlyKey+name])
		}
	}
	return p
}

// Work is what other goroutines ask the pruner for.
func (p *Pruner) Work() <-chan func(*Pruner) { return p.work }

// processed is how far the stages have come; ok is false where that is unknown.
func (p *Pruner) processed() (done Watermarks, ok bool) {
	if p.upTo != nil {
		done, ok = *p.upTo, true
	}
	guard := p.guard.Load()
	if guard == nil {
		return done, ok
	}
	now := (*guard)()
	if ok {
		now.Raw = min(now.Raw, done.Raw)
	}
	return now, true
}

// Retain removes what is older than it is to be kept, and the oldest webhooks and
// events when there is no space for new ones.
func (p *Pruner) Retain() error {
	if p.node == nil {
		return nil
	}
	u, err := p.measure()
	if err != nil {
		return err
	}
	if _, ok := p.processed(); !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.conn.Closed, setupWait)
	defer cancel()
	if keep := p.cfg.Keep[names.RawStream]; keep > 0 && time.Since(p.aged) > pruneEvery {
		p.aged = time.Now()
		seq, err := p.firstSince(ctx, names.RawStream, time.Now().Add(-keep))
		if err == nil {
			err = p.PruneRaw(ctx, seq)
		}
		if err != nil {
			return fmt.Errorf("remove old webhooks: %w", err)
		}
	}
	for range 100 / pruneStep {
		if u.Used < u.Limit/100*pruneAt {
			return nil
		}
		before := p.pruned
		if err := p.removePart(ctx, u); err != nil || p.pruned == before {
			return err
		}
		if u, err = p.measure(); err != nil {
			return err
		}
	}
	return nil
}

// MakeRoom has the monitor remove what may go now, and reports whether it did.
func (p *Pruner) MakeRoom(ctx context.Context) bool {
	done := make(chan struct{})
	select {
	case p.work <- func(p *Pruner) {
		if err := p.Retain(); err != nil {
			p.conn.Log.Warn("retention failed", "err", err)
		}
		close(done)
	}:
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

// removePart removes a part of RAW, or of EVENTS where RAW is small already.
func (p *Pruner) removePart(ctx context.Context, u Usage) error {
	done, ok := p.processed()
	if !ok {
		return nil
	}
	size := p.node.Bytes()
	raw, err := p.raw.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	if to := partOf(raw.State, done.Raw); size[names.RawStream] > u.Limit/100*rawFloor && to > raw.State.FirstSeq {
		return p.pruneEarly(ctx, p.raw, names.RawStream, func() error { return p.PruneRaw(ctx, to) })
	}
	events, err := p.events.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	if to := partOf(events.State, done.Events); to > events.State.FirstSeq {
		p.conn.Log.Info("oldest events are removed: the store is at its limit", "before", to)
		return p.pruneEarly(ctx, p.events, names.EventStream, func() error { return p.prune(ctx, p.events, names.EventStream, to) })
	}
	if to := partOf(raw.State, done.Raw); to > raw.State.FirstSeq {
		return p.pruneEarly(ctx, p.raw, names.RawStream, func() error { return p.PruneRaw(ctx, to) })
	}
	return nil
}

// pruneEarly notes that a stream lost its oldest messages for lack of space, and up
// to where, so that this is known after a start too.
func (p *Pruner) pruneEarly(ctx context.Context, st jetstream.Stream, name string, remove func() error) error {
	before := p.pruned
	if err := remove(); err != nil || p.pruned == before {
		return err
	}
	info, err := st.Info(ctx)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	p.prunedTo[name].Store(info.State.FirstSeq)
	_, err = p.node.WriteMarks(nil, p.Noted())
	return err
}

// Noted are the sequences of retention that a start has to know.
func (p *Pruner) Noted() map[string]uint64 {
	noted := map[string]uint64{}
	if floor := p.floor.Load(); floor > 0 {
		noted[floorKey+names.RawStream] = floor
	}
	for name, seq := range p.prunedTo {
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

// PruneRaw removes the frames before a sequence. It notes the sequence first: what is
// missing before it is no damage.
func (p *Pruner) PruneRaw(ctx context.Context, to uint64) error {
	if done, ok := p.processed(); ok {
		to = min(to, done.Raw)
	}
	if to <= p.raw.CachedInfo().State.FirstSeq || to <= p.floor.Load() {
		return nil
	}
	p.floor.Store(to)
	if _, err := p.node.WriteMarks(nil, p.Noted()); err != nil {
		return err
	}
	p.conn.Log.Info("oldest webhooks are removed", "before", to)
	return p.prune(ctx, p.raw, names.RawStream, to)
}

func (p *Pruner) prune(ctx context.Context, st jetstream.Stream, name string, to uint64) error {
	before := p.node.Bytes()[name]
	if err := st.Purge(ctx, jetstream.WithPurgeSequence(to)); err != nil {
		return jet.Classify(err)
	}
	if after := p.node.Bytes()[name]; after < before {
		p.pruned += before - after
	}
	return nil
}

// Removed reports up to which sequence RAW was pruned: what is missing before it is
// no damage.
func (p *Pruner) Removed(ctx context.Context) uint64 {
	if p.node != nil {
		return p.floor.Load()
	}
	info, err := p.raw.Info(ctx) // an external server removes by age
	if err != nil {
		return 0
	}
	return info.State.FirstSeq
}

// pruneNow is Prune in the monitor.
func (p *Pruner) pruneNow(upTo Watermarks) error {
	p.upTo, p.aged = &upTo, time.Time{}
	defer func() { p.upTo = nil }()
	return p.Retain()
}
