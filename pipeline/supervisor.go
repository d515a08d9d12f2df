package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"callwatch/stream"
)

// Stage works until ctx ends. Any other end is a failure.
type Stage func(ctx context.Context) error

// Run runs stages beside each other until ctx ends, and returns when all have
// returned. failures receives the errors with which they end before.
func Run(ctx context.Context, log *slog.Logger, failures *Failures, stages map[string]Stage) {
	var running sync.WaitGroup
	for name, stage := range stages {
		running.Go(func() {
			keep(ctx, log.With("stage", name), func(ctx context.Context) error {
				begun := time.Now()
				err := stage(ctx)
				if ctx.Err() == nil && !errors.Is(err, stream.ErrConflict) { // another replica works for it
					failures.note(name, begun, time.Now(), err)
				}
				return err
			})
		})
	}
	running.Wait()
}

// keep runs a stage until ctx ends. A stage that fails starts again from what is
// stored, after a pause that grows while it continues to fail.
func keep(ctx context.Context, log *slog.Logger, stage Stage) {
	const shortest, longest = 200 * time.Millisecond, 3 * time.Second
	pause := shortest
	for {
		begun := time.Now()
		err := stage(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > time.Minute {
			pause = shortest
		}
		log.Error("stage failed, it starts again", "err", err, "pause", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}
