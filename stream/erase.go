package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
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
		return false, fmt.Errorf("erase dead letter %s: %w", raw, jet.ReadError(ctx, err))
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
	c := jet.Cursor{Conn: s.conn, Stream: names.CheckpointStream, Subjects: []string{names.CheckpointPrefix + names.Token(name) + ".>"}, Batch: messagesAtOnce, ToEnd: true}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		seq := meta.Sequence.Stream
		if m.Subject() == manifestSubject(name) {
			seq, manifest = manifest, seq // the last one stays
		}
		if seq != 0 && !keep[seq] {
			old = append(old, seq)
		}
		return nil
	}
	if err := c.Run(ctx); err != nil {
		return fmt.Errorf("checkpoints of %s: %w", name, err)
	}
	for _, seq := range old {
		if err := overwrite(ctx, s.checkpoints, seq); err != nil {
			return fmt.Errorf("erase a checkpoint of %s: %w", name, err)
		}
	}
	return nil
}

// EraseTasks overwrites and removes the tasks of a topic that match, done ones too,
// and returns how many there were.
func (s *Store) EraseTasks(ctx context.Context, topic string, match func(Task) bool) (erased int, err error) {
	var found []uint64
	c := s.taskCursor(topic, func(d Due) error {
		if match(d.Task) {
			found = append(found, d.seq)
		}
		return nil
	})
	c.ToEnd = true
	if err := c.Run(ctx); err != nil {
		return 0, fmt.Errorf("read the tasks of %s: %w", topic, err)
	}
	for _, seq := range found {
		if err := overwrite(ctx, s.tasks, seq); err != nil {
			return erased, fmt.Errorf("erase a task of %s: %w", topic, err)
		}
		erased++
	}
	return erased, nil
}

// RewriteValues replaces the values of all buckets that change wants changed; ok is
// false for one that stays. It returns how many were changed.
func (s *Store) RewriteValues(ctx context.Context, change func(value []byte) (changed []byte, ok bool)) (changed int, err error) {
	buckets := s.conn.JS.StreamNames(ctx, jetstream.WithStreamListSubject("$KV.>"))
	for stream := range buckets.Name() {
		name, ours := strings.CutPrefix(stream, names.BucketStreamPrefix+names.BucketPrefix)
		if !ours {
			continue
		}
		b, err := s.Bucket(ctx, name)
		if err != nil {
			return changed, err
		}
		keys, err := b.Keys(ctx, "")
		if err != nil {
			return changed, err
		}
		for _, key := range keys {
			ok, err := b.rewrite(ctx, key, change)
			if err != nil {
				return changed, err
			}
			if ok {
				changed++
			}
		}
	}
	if err := buckets.Err(); err != nil {
		return changed, fmt.Errorf("list the buckets: %w", jet.Classify(err))
	}
	return changed, nil
}

func (b *Bucket) rewrite(ctx context.Context, key string, change func([]byte) ([]byte, bool)) (changed bool, err error) {
	for range maxRewrites {
		value, rev, err := b.Load(ctx, key)
		if err != nil || rev == 0 {
			return false, err
		}
		next, ok := change(value)
		if !ok {
			return false, nil
		}
		if _, ok, err = b.Save(ctx, key, next, rev); err != nil || ok {
			return ok, err
		}
	}
	return false, fmt.Errorf("rewrite %q: %w", key, ErrConflict)
}

// Revision is that of the bucket as a whole: it grows with each change.
func (b *Bucket) Revision(ctx context.Context) (uint64, error) {
	info, err := b.st.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("revision of %s: %w", b.name, jet.ReadError(ctx, err))
	}
	return info.State.LastSeq, nil
}
