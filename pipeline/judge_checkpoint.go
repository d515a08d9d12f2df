package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"callwatch/rules/engine"
	"callwatch/stream"
)

const (
	// CheckpointName is the checkpoint of the rules engine.
	CheckpointName   = "engine"
	checkpointEvery  = time.Minute
	checkpointEvents = 100_000
)

// saving is how far the transitions are stored, and when the engine's state was
// saved last.
type saving struct {
	stored uint64 // sequence of EVENTS up to which all transitions are stored
	seq    uint64
	at     time.Time
}

// restore is the engine at its last checkpoint, or a new one if there is none that
// can be read: then all stored events are judged again.
func (j *Judge) restore(ctx context.Context) (*engine.Engine, error) {
	var restored *engine.Engine
	set := j.Rules()
	_, err := j.cfg.Store.LoadCheckpoint(ctx, CheckpointName, func(_ uint64, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		restored, err = engine.Restore(set, j.cfg.Engine, data)
		return err
	})
	switch {
	case errors.Is(err, stream.ErrNotFound):
	case errors.Is(err, stream.ErrUnavailable), err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	case err != nil:
		j.cfg.Log.Warn("the checkpoint cannot be used, all stored events are judged again", "err", err)
		restored = nil
	}
	if restored == nil {
		restored = engine.New(set, j.cfg.Engine)
	}
	return restored, nil
}

// saveIfDue saves the engine's state from time to time.
func (j *Judge) saveIfDue(ctx context.Context, saved *saving, engine *engine.Engine) error {
	now := time.Now()
	if !j.leads.Load() || saved.stored-saved.seq < checkpointEvents && now.Sub(saved.at) < checkpointEvery {
		return nil
	}
	saved.seq, saved.at = saved.stored, now
	return j.save(ctx, engine.Seq(), engine.WriteCheckpoint)
}

// saveLast saves the engine's state when the fold has ended, unless its last
// transitions are not stored or another process has the lease.
func (j *Judge) saveLast(ctx context.Context, saved *saving, engine *engine.Engine) error {
	seq := engine.Seq()
	if seq == saved.seq || seq > saved.stored || errors.Is(context.Cause(ctx), stream.ErrConflict) {
		return nil
	}
	j.yielding.On.Store(false) // the operator waits for the end
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return j.save(ctx, seq, engine.WriteCheckpoint)
}

// save stores a checkpoint, if this replica leads.
func (j *Judge) save(ctx context.Context, seq uint64, write func(io.Writer) error) error {
	if !j.leads.Load() {
		return nil
	}
	w := j.yielding.Pauser()
	return j.cfg.Store.SaveCheckpoint(ctx, CheckpointName, seq, func(out io.Writer) error {
		return write(w.Writer(ctx, out))
	})
}

// writeBytes writes data as it is.
func writeBytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}
