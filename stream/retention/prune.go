package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// ErrExternal says that the store is on an external server, whose limits remove what
// is old.
var ErrExternal = fmt.Errorf("the external NATS server removes old messages by itself: %w", errors.ErrUnsupported)

// Removed is what Prune removes of a stream.
type Removed struct {
	Stream          string
	Messages, Bytes uint64 // without doing it, the bytes are estimated from the mean message
}

// Prune removes at once what is older than it is to be kept, and what the limit has no
// space for. Webhooks behind the frame upTo stay, as does what a stage has not
// processed.
func (s *Space) Prune(ctx context.Context, upTo uint64) ([]Removed, error) {
	if s.node == nil {
		return nil, ErrExternal
	}
	before := s.node.States()
	pruned := make(chan error, 1)
	select {
	case s.work <- func(p *Pruner) { pruned <- p.pruneNow(Watermarks{Raw: upTo}) }:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.conn.Closed.Done():
		return nil, fmt.Errorf("%w: it is closed", jet.ErrUnavailable)
	}
	select {
	case err := <-pruned:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.ended:
		return nil, fmt.Errorf("%w: it is closed", jet.ErrUnavailable)
	}
	after := s.node.States()
	var removed []Removed
	for _, name := range []string{names.RawStream, names.EventStream} {
		b, a := before[name], after[name]
		if a.FirstSeq > b.FirstSeq && b.Msgs > 0 {
			// New messages may have come: what is gone is counted by sequence.
			gone := min(a.FirstSeq-b.FirstSeq, b.Msgs)
			removed = append(removed, Removed{names.Short(name), gone, b.Bytes - min(a.Bytes, b.Bytes)})
		}
	}
	return removed, nil
}

// Prunable is what Prune would remove now, if all stages had processed everything.
func (s *Space) Prunable(ctx context.Context) ([]Removed, error) {
	if s.node == nil {
		return nil, ErrExternal
	}
	u, err := s.measure()
	if err != nil {
		return nil, err
	}
	states := s.node.States()
	var removed []Removed
	remove := func(name string, messages uint64) {
		state := states[name]
		if messages = min(messages, state.Msgs); messages == 0 {
			return
		}
		r := Removed{names.Short(name), messages, state.Bytes / state.Msgs * messages}
		state.Msgs, state.Bytes = state.Msgs-messages, state.Bytes-r.Bytes
		states[name], u.Used = state, u.Used-min(r.Bytes, u.Used)
		for i := range removed {
			if removed[i].Stream == r.Stream {
				removed[i].Messages, removed[i].Bytes = removed[i].Messages+r.Messages, removed[i].Bytes+r.Bytes
				return
			}
		}
		removed = append(removed, r)
	}
	if keep := s.cfg.Keep[names.RawStream]; keep > 0 {
		seq, err := s.firstSince(ctx, names.RawStream, time.Now().Add(-keep))
		if err != nil {
			return nil, err
		}
		remove(names.RawStream, seq-min(seq, states[names.RawStream].FirstSeq))
	}
	for range 100 / pruneStep {
		raw, events := states[names.RawStream], states[names.EventStream]
		switch {
		case u.Used < u.Limit/100*pruneAt:
			return removed, nil
		case raw.Bytes > u.Limit/100*rawFloor || events.Msgs == 0:
			remove(names.RawStream, max(raw.Msgs*pruneStep/100, 1))
		default:
			remove(names.EventStream, max(events.Msgs*pruneStep/100, 1))
		}
	}
	return removed, nil
}
