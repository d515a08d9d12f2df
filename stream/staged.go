package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go/jetstream"
)

// Staged is a checkpoint that is stored and not in force. One that is never
// committed goes when later ones are.
type Staged struct {
	Seq    uint64 // of EVENTS
	store  *Store
	name   string
	before uint64 // manifest in force when it was begun
	chunks []chunk
}

// StageCheckpoint is SaveCheckpoint without its end, for which Commit is called.
func (s *Store) StageCheckpoint(ctx context.Context, name string, seq uint64, write func(io.Writer) error) (*Staged, error) {
	staged, err := s.stage(ctx, name, seq, write)
	if err != nil {
		return nil, fmt.Errorf("stage checkpoint %s: %w", name, err)
	}
	return staged, nil
}

func (s *Store) stage(ctx context.Context, name string, seq uint64, write func(io.Writer) error) (*Staged, error) {
	staged := &Staged{Seq: seq, store: s, name: name}
	last, err := s.checkpoints.GetLastMsgForSubject(ctx, manifestSubject(name))
	switch {
	case err == nil:
		staged.before = last.Sequence
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, readError(ctx, err)
	}
	chunks := chunkWriter{ctx: ctx, store: s, subject: chunkSubject(name), table: s.codec.table}
	zip, err := zstd.NewWriter(&chunks, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(write(zip), zip.Close()); err != nil {
		return nil, err
	}
	if err := chunks.flush(); err != nil {
		return nil, err
	}
	staged.chunks = chunks.done
	return staged, nil
}

// Commit puts the checkpoint in force. ErrConflict means that another one was put
// in force since this one was begun: that one stays.
func (c *Staged) Commit(ctx context.Context) error {
	if err := c.commit(ctx); err != nil {
		return fmt.Errorf("save checkpoint %s: %w", c.name, err)
	}
	return nil
}

func (c *Staged) commit(ctx context.Context) error {
	value, err := json.Marshal(manifest{Seq: c.Seq, Chunks: c.chunks})
	if err != nil {
		return err
	}
	if _, err := c.store.js.Publish(ctx, manifestSubject(c.name), value, jetstream.WithExpectLastSequencePerSubject(c.before)); err != nil {
		return classify(err)
	}
	return c.store.sweepCheckpoints(ctx, c.name)
}
