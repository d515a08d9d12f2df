package pipeline

import (
	"context"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine"
)

// replaceWait is how long Replace waits for the engine to take the rules.
const replaceWait = 5 * time.Second

// replacement is a set of rules that the engine is to continue with.
type replacement struct {
	set   *rules.Set
	taken chan struct{} // closed once the engine has it
}

// Replace gives the engine other rules from the next message on, and waits some
// seconds for it. A set that was not taken yet is replaced.
func (j *Judge) Replace(ctx context.Context, set *rules.Set) {
	r := &replacement{set: set, taken: make(chan struct{})}
	j.mu.Lock()
	j.next = r
	j.mu.Unlock()
	// A tick is a message that comes at once.
	if err := j.cfg.Store.PublishTick(ctx, time.Now().UTC()); err != nil {
		j.cfg.Log.Warn("cannot publish a tick", "err", err)
	}
	ctx, stop := context.WithTimeout(ctx, replaceWait)
	defer stop()
	select {
	case <-r.taken:
	case <-ctx.Done():
	}
}

// Replacing reports whether the engine has not taken the latest rules yet.
func (j *Judge) Replacing() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next != nil
}

// replaceRules swaps the engine's rules between two messages. The checkpoint is
// stored first: a restart judges nothing by the new rules that the old ones judged.
// A set stays wanted until it was taken.
func (j *Judge) replaceRules(ctx context.Context, engine *engine.Engine) (*engine.Engine, error) {
	j.mu.Lock()
	r := j.next
	j.mu.Unlock()
	if r == nil {
		return engine, nil
	}
	next, checkpoint, err := engine.Swap(r.set)
	if err != nil {
		return engine, err
	}
	if err := j.save(ctx, engine.Seq(), writeBytes(checkpoint)); err != nil {
		return engine, err
	}
	j.mu.Lock()
	j.engine, j.set = next, r.set
	if j.next == r {
		j.next = nil
	}
	j.mu.Unlock()
	close(r.taken)
	return next, nil
}
