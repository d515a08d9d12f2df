// Package stage is what the stages of the data path share: the supervisor that starts a
// failed one again, the leases under which they run, watermarks, which stages fail, and
// how work on a backlog and behind the stages gives webhooks priority. It imports stream
// and normalizer, and no stage.
package stage

import (
	"context"
	"errors"
	"log/slog"
	"runtime/pprof"
	"sync"
	"time"

	"callwatch/stream"
)

// Func is a stage: it works until ctx ends. Any other end is a failure.
type Func func(ctx context.Context) error

// Run runs stages beside each other until ctx ends, and returns when all have
// returned. failures receives the errors with which they end before.
func Run(ctx context.Context, log *slog.Logger, failures *Failures, stages map[string]Func) {
	var running sync.WaitGroup
	for name, stage := range stages {
		running.Go(func() {
			Profiled(ctx, name, func(ctx context.Context) {
				Keep(ctx, log.With("stage", name), func(ctx context.Context) error {
					begun := time.Now()
					err := stage(ctx)
					if ctx.Err() == nil && !errors.Is(err, stream.ErrConflict) { // another replica works for it
						failures.note(name, begun, time.Now(), err)
					}
					return err
				})
			})
		})
	}
	running.Wait()
}

// Profiled runs work, and names its goroutines in profiles: those that it starts, too.
func Profiled(ctx context.Context, name string, work func(ctx context.Context)) {
	pprof.Do(ctx, pprof.Labels("stage", name), work)
}

// Keep runs a stage until ctx ends. A stage that fails starts again from what is
// stored, after a pause that grows while it continues to fail.
func Keep(ctx context.Context, log *slog.Logger, stage Func) {
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
