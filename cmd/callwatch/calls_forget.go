package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/stream"
)

// forgetting is a call that the engine is to forget, and where it says whether it
// knew it.
type forgetting struct {
	key  call.Key
	done chan<- bool
}

// forgetCall removes the call from the state of the rules and from its
// checkpoints. A running engine does it between two messages.
func (a *app) forgetCall(ctx context.Context, k call.Key) (known bool, err error) {
	if a.judging == nil {
		return a.forgetInCheckpoint(ctx, k)
	}
	done := make(chan bool, 1)
	a.judging.mu.Lock()
	a.judging.forget = append(a.judging.forget, forgetting{k, done})
	a.judging.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, deskWait)
	defer stop()
	for { // until a message comes, between which and the next the engine forgets the call
		if err := a.store.PublishTick(ctx, time.Now().UTC()); err != nil {
			return false, err
		}
		select {
		case known = <-done:
			return known, nil
		case <-ctx.Done():
			return false, fmt.Errorf("judging does not come so far: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// takeForgetting goes on with an engine that does not know the erased calls. They
// remain to be forgotten until that could be stored.
func (a *app) takeForgetting(ctx context.Context, engine *rules.Engine) (*rules.Engine, error) {
	j := a.judging
	j.mu.Lock()
	wanted := j.forget
	j.mu.Unlock()
	if len(wanted) == 0 || !j.leads.Load() {
		return engine, nil
	}
	data, err := engine.Checkpoint()
	if err != nil {
		return engine, err
	}
	known := make([]bool, len(wanted))
	for i, w := range wanted {
		if data, known[i], err = rules.ForgetCall(data, w.key); err != nil {
			return engine, err
		}
	}
	next, err := rules.Restore(j.inForce(), j.opt, data)
	if err != nil {
		return engine, err
	}
	if err := a.saveCheckpoint(ctx, next.Seq(), written(data)); err != nil {
		return engine, err
	}
	if err := a.store.EraseCheckpoints(ctx, checkpointName); err != nil {
		return engine, err
	}
	a.erased.Add(1)
	j.mu.Lock()
	j.engine, j.forget = next, j.forget[len(wanted):]
	j.mu.Unlock()
	for i, w := range wanted {
		w.done <- known[i]
	}
	return next, nil
}

func (a *app) forgetInCheckpoint(ctx context.Context, k call.Key) (known bool, err error) {
	var data []byte
	seq, err := a.store.LoadCheckpoint(ctx, checkpointName, func(_ uint64, r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	if errors.Is(err, stream.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if data, known, err = rules.ForgetCall(data, k); err != nil {
		return false, err
	}
	if err := a.store.SaveCheckpoint(ctx, checkpointName, seq, written(data)); err != nil {
		return known, err
	}
	return known, a.store.EraseCheckpoints(ctx, checkpointName)
}

func written(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}
