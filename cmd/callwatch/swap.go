package main

import (
	"context"
	"time"

	"callwatch/rules"
)

// ordered is a set of rules that the engine is to go on with.
type ordered struct {
	set   *rules.Set
	taken chan struct{} // closed once it has
}

// order has the engine go on with a set from the next message on, and waits for
// it a while. An order that was not taken yet is replaced.
func (a *app) order(ctx context.Context, set *rules.Set) {
	o := &ordered{set: set, taken: make(chan struct{})}
	a.judging.mu.Lock()
	a.judging.ordered = o
	a.judging.mu.Unlock()
	// A tick is a message that comes at once.
	if err := a.store.PublishTick(ctx, time.Now().UTC()); err != nil {
		a.log.Warn("no tick", "err", err)
	}
	ctx, stop := context.WithTimeout(ctx, swapWait)
	defer stop()
	select {
	case <-o.taken:
	case <-ctx.Done():
	}
}

// takeOrder swaps the engine's rules between two messages. The checkpoint is
// stored first: a restart judges nothing by the new rules that the old ones
// judged. An order remains until it could be taken, and the engine is the same.
func (a *app) takeOrder(ctx context.Context, engine *rules.Engine) (*rules.Engine, error) {
	j := a.judging
	j.mu.Lock()
	o := j.ordered
	j.mu.Unlock()
	if o == nil {
		return engine, nil
	}
	next, checkpoint, err := engine.Swap(o.set)
	if err != nil {
		return engine, err
	}
	if err := a.saveCheckpoint(ctx, engine.Seq(), written(checkpoint)); err != nil {
		return engine, err
	}
	j.mu.Lock()
	j.engine, j.set = next, o.set
	if j.ordered == o {
		j.ordered = nil
	}
	j.mu.Unlock()
	close(o.taken)
	return next, nil
}
