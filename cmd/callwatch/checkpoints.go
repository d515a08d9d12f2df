package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"callwatch/rules"
	"callwatch/stream"
)

const (
	checkpointName   = "engine"
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

// restoreEngine is the engine at its last checkpoint, or a new one where there
// is none that can be read: then all stored events are judged again.
func (a *app) restoreEngine(ctx context.Context) (*rules.Engine, error) {
	var engine *rules.Engine
	set := a.judging.inForce()
	_, err := a.store.LoadCheckpoint(ctx, checkpointName, func(_ uint64, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		engine, err = rules.Restore(set, a.judging.opt, data)
		return err
	})
	switch {
	case errors.Is(err, stream.ErrNotFound):
	case errors.Is(err, stream.ErrUnavailable), err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	case err != nil:
		a.log.Warn("the checkpoint cannot be used, all stored events are judged again", "err", err)
		engine = nil
	}
	if engine == nil {
		engine = rules.NewEngine(set, a.judging.opt)
	}
	return engine, nil
}

// saveNowAndThen saves the engine's state when that is due.
func (a *app) saveNowAndThen(ctx context.Context, saved *saving, engine *rules.Engine) error {
	now := time.Now()
	if !a.judging.leads.Load() || saved.stored-saved.seq < checkpointEvents && now.Sub(saved.at) < checkpointEvery {
		return nil
	}
	saved.seq, saved.at = saved.stored, now
	return a.saveCheckpoint(ctx, engine.Seq(), engine.WriteCheckpoint)
}

// saveLast saves the engine's state when the fold has ended, unless its last
// transitions are not stored or another process has the lease.
func (a *app) saveLast(ctx context.Context, saved *saving, engine *rules.Engine) error {
	seq := engine.Seq()
	if seq == saved.seq || seq > saved.stored || errors.Is(context.Cause(ctx), stream.ErrConflict) {
		return nil
	}
	a.judging.courtesy.giving.Store(false) // the operator waits for the end
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return a.saveCheckpoint(ctx, seq, engine.WriteCheckpoint)
}

// saveCheckpoint stores a checkpoint, if this replica is the one that does.
func (a *app) saveCheckpoint(ctx context.Context, seq uint64, write func(io.Writer) error) error {
	if !a.judging.leads.Load() {
		return nil
	}
	t := a.turn(&a.judging.courtesy)
	return a.store.SaveCheckpoint(ctx, checkpointName, seq, func(out io.Writer) error {
		return write(t.slowly(ctx, out))
	})
}
