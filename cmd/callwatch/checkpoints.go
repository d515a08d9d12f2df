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

	lookEvery = 500 * time.Millisecond // how far the other replicas are
	// lookLong is how long a checkpoint may wait for them before readiness tells.
	lookLong = 2 * checkpointEvery
)

// saving is when the engine's state was saved last.
type saving struct {
	seq    uint64
	at     time.Time
	looked time.Time // for other replicas
}

// waiting is a checkpoint that is stored and not in force, because transitions
// that were caused before it may not be stored yet: whoever begins behind it
// would never find them again.
type waiting struct {
	staged  *stream.Staged
	since   time.Time
	behind  []string // roles
	forgets int      // calls that were erased
	then    func(context.Context) error
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

// saveNowAndThen saves the engine's state when that is due, and has no other
// replica wait for it.
func (a *app) saveNowAndThen(ctx context.Context, saved *saving, engine *rules.Engine) error {
	if !a.shards.has(judgeDuty) {
		return nil
	}
	now := time.Now()
	if a.judging.waiting.Load() != nil {
		if now.Sub(saved.looked) < lookEvery {
			return nil
		}
		saved.looked = now
		return a.finishCheckpoint(ctx)
	}
	if at := a.shards.through.Load(); at-saved.seq >= checkpointEvents || now.Sub(saved.at) >= checkpointEvery {
		saved.seq, saved.at, saved.looked = at, now, now
		return a.saveCheckpoint(ctx, engine.Seq(), engine.WriteCheckpoint, nil)
	}
	return nil
}

// saveLast saves the engine's state when the fold has ended, unless its last
// transitions are not stored, or those of other replicas.
func (a *app) saveLast(ctx context.Context, saved *saving, engine *rules.Engine) error {
	seq := engine.Seq()
	if !a.shards.has(judgeDuty) || seq == saved.seq || seq > a.shards.through.Load() {
		return nil
	}
	a.judging.courtesy.giving.Store(false) // whoever stops callwatch waits
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if behind, err := a.behind(ctx, seq); err != nil || len(behind) > 0 {
		return err
	}
	return a.saveCheckpoint(ctx, seq, engine.WriteCheckpoint, nil)
}

// saveCheckpoint stores a checkpoint. It is in force when the transitions of all
// shards up to it are stored: at once where no other replica stores any. What is
// to be done then stands in w; nil: what was to be done after the one before.
func (a *app) saveCheckpoint(ctx context.Context, seq uint64, write func(io.Writer) error, w *waiting) error {
	if !a.shards.has(judgeDuty) { // another replica stores it
		return nil
	}
	t := a.turn(&a.judging.courtesy)
	staged, err := a.store.StageCheckpoint(ctx, checkpointName, seq, func(out io.Writer) error {
		return write(t.slowly(ctx, out))
	})
	if err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	next := waiting{}
	for _, from := range []*waiting{w, a.judging.waiting.Load()} {
		if from != nil {
			next = *from
			break
		}
	}
	next.staged, next.since, next.behind = staged, time.Now(), nil
	a.judging.waiting.Store(&next)
	return a.finishCheckpoint(ctx)
}

// finishCheckpoint puts the checkpoint that waits in force, if that can be done now.
func (a *app) finishCheckpoint(ctx context.Context) error {
	w := a.judging.waiting.Load()
	if w == nil {
		return nil
	}
	behind, err := a.behind(ctx, w.staged.Seq)
	if err != nil {
		a.log.Debug("it is not known how far the other replicas are", "err", err)
		return nil
	}
	if len(behind) > 0 {
		late := *w
		late.behind = behind
		a.judging.waiting.Store(&late)
		return nil
	}
	if err := w.staged.Commit(ctx); err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	a.judging.waiting.Store(nil)
	if w.then != nil {
		return w.then(ctx)
	}
	return nil
}

// awaitCheckpoint gives the checkpoint that waits some time to come into force.
func (a *app) awaitCheckpoint(ctx context.Context, patience time.Duration) error {
	for end := time.Now().Add(patience); a.judging.waiting.Load() != nil && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery / 5):
		}
		if err := a.finishCheckpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}

// behind are the shards whose transitions up to a place are not known to be stored.
func (a *app) behind(ctx context.Context, seq uint64) (roles []string, err error) {
	var asked []int
	for i := range shardCount {
		if a.shards.storedThrough(i) < seq {
			asked, roles = append(asked, i), append(roles, shardRole(i))
		}
	}
	if len(asked) == 0 || a.store.Alone() {
		return roles, nil
	}
	told, err := a.store.Through(ctx, roles)
	if err != nil {
		return roles, err
	}
	behind := roles[:0]
	for i, shard := range asked {
		a.shards.learn(shard, told[i])
		if told[i] < seq {
			behind = append(behind, roles[i])
		}
	}
	return behind, nil
}
