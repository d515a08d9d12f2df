package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// EraseEvents overwrites and removes events by their sequences; those that are
// gone are passed over. A tick is stored before, so that no sequence is given twice.
func (s *Store) EraseEvents(ctx context.Context, now time.Time, seqs []uint64) error {
	if len(seqs) == 0 {
		return nil
	}
	if err := s.PublishTick(ctx, now); err != nil {
		return err
	}
	for _, seq := range seqs {
		if err := overwrite(ctx, s.events, seq); err != nil {
			return fmt.Errorf("erase event %d: %w", seq, err)
		}
	}
	return nil
}

// EraseDeadLetter overwrites and removes the dead letter of a record, and says
// whether there was one.
func (s *Store) EraseDeadLetter(ctx context.Context, provider string, raw Position) (bool, error) {
	m, err := s.dead.GetLastMsgForSubject(ctx, deadSubject(provider, raw))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err == nil {
		err = overwrite(ctx, s.dead, m.Sequence)
	}
	if err != nil {
		return false, fmt.Errorf("erase dead letter %s: %w", raw, readError(ctx, err))
	}
	return true, nil
}

// EraseCheckpoints overwrites and removes all checkpoints of name but the last.
func (s *Store) EraseCheckpoints(ctx context.Context, name string) error {
	stored, err := s.manifests(ctx, name)
	if err != nil || len(stored) == 0 {
		return err
	}
	keep := map[uint64]bool{}
	for _, c := range stored[0].Chunks {
		keep[c.Seq] = true
	}
	var old []uint64
	var manifest uint64
	c := cursor{store: s, stream: checkpointStream, subjects: []string{checkpointPrefix + token(name) + ".>"}, batch: messagesAtOnce, toEnd: true}
	c.deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		seq := meta.Sequence.Stream
		if m.Subject() == manifestSubject(name) {
			seq, manifest = manifest, seq // the last one stays
		}
		if seq != 0 && !keep[seq] {
			old = append(old, seq)
		}
		return nil
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("checkpoints of %s: %w", name, err)
	}
	for _, seq := range old {
		if err := overwrite(ctx, s.checkpoints, seq); err != nil {
			return fmt.Errorf("erase a checkpoint of %s: %w", name, err)
		}
	}
	return nil
}
