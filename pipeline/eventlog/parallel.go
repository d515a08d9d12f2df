package eventlog

import (
	"context"
	"runtime"
	"sync"
)

// Parallel works on what produce puts, on all processors, and passes the results to
// consume one by one in the order in which they were put. It holds few at a time.
// The first error of any of the three ends it; consume runs on the goroutine of the
// caller.
func Parallel[A, B any](ctx context.Context, produce func(ctx context.Context, put func(A) error) error, work func(A) (B, error), consume func(B) error) error {
	type job struct {
		in   A
		out  B
		err  error
		done chan struct{}
	}
	ctx, stop := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	todo, queue := make(chan *job, workers), make(chan *job, 2*workers)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()

	var failed error // of produce; read once queue is closed
	running.Go(func() {
		defer close(queue)
		defer close(todo)
		failed = produce(ctx, func(a A) error {
			j := &job{in: a, done: make(chan struct{})}
			for _, to := range []chan *job{queue, todo} {
				select {
				case to <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range workers {
		running.Go(func() {
			for j := range todo {
				j.out, j.err = work(j.in)
				close(j.done)
			}
		})
	}
	for j := range queue {
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if j.err != nil {
			return j.err
		}
		if err := consume(j.out); err != nil {
			return err
		}
	}
	return failed
}
