package pipeline

import (
	"context"
	"fmt"
	"time"

	"callwatch/pipeline/stage"
	"callwatch/rules/engine"
	"callwatch/rules/engine/checkpoint"
)

const (
	// eraseWait is how long Erase waits for the engine.
	eraseWait = time.Minute
	// eraseEvery is how often a replica checks whether another one has erased a call.
	eraseEvery = 3 * time.Second
)

// erasure is what to remove from the engine; known receives whether it was there.
type erasure struct {
	what  checkpoint.Forgetting
	known chan<- bool
}

// Erase removes calls from the state of the rules and from its checkpoints, between
// two messages.
func (j *Judge) Erase(ctx context.Context, what checkpoint.Forgetting) (known bool, err error) {
	done := make(chan bool, 1)
	j.mu.Lock()
	j.erase = append(j.erase, erasure{what, done})
	j.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, eraseWait)
	defer stop()
	for { // until the engine reads the next message
		if err := j.cfg.Store.PublishTick(ctx, time.Now().UTC()); err != nil {
			return false, err
		}
		select {
		case known = <-done:
			return known, nil
		case <-ctx.Done():
			return false, fmt.Errorf("the engine is busy: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// eraseCalls continues with an engine that does not know the erased calls. They
// stay wanted until the checkpoint without them is stored.
func (j *Judge) eraseCalls(ctx context.Context, current *engine.Engine) (*engine.Engine, error) {
	j.mu.Lock()
	wanted := j.erase
	j.mu.Unlock()
	if len(wanted) == 0 || !j.leads.Load() {
		return current, nil
	}
	data, err := current.Checkpoint()
	if err != nil {
		return current, err
	}
	known := make([]bool, len(wanted))
	for i, w := range wanted {
		if data, known[i], err = checkpoint.Forget(data, w.what); err != nil {
			return current, err
		}
	}
	next, err := engine.Restore(j.Rules(), j.cfg.Engine, data)
	if err != nil {
		return current, err
	}
	if err := j.save(ctx, next.Seq(), writeBytes(data)); err != nil {
		return current, err
	}
	if err := j.cfg.Store.EraseCheckpoints(ctx, CheckpointName); err != nil {
		return current, err
	}
	j.erased.Add(1) // replicas that follow begin again at the checkpoint
	j.mu.Lock()
	j.engine, j.erase = next, j.erase[len(wanted):]
	j.mu.Unlock()
	for i, w := range wanted {
		w.known <- known[i]
	}
	return next, nil
}

// watchErased calls found once more calls were erased than are known.
func (j *Judge) watchErased(ctx context.Context, known uint64, found func()) {
	every := time.NewTicker(eraseEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		erased, err := j.cfg.Store.Watermark(ctx, stage.JudgeLease)
		if err != nil {
			j.cfg.Log.Debug("cannot check whether calls were erased", "err", err)
			continue
		}
		if erased > known {
			found()
			return
		}
	}
}
