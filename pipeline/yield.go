package pipeline

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	overdue   = time.Second            // what has waited longer belongs to a backlog
	weighEach = 250 * time.Millisecond // how often a stage decides whether to yield

	// clearing is how many times as fast as webhooks arrive a backlog must shrink
	// for a stage to yield: else it would stay for long, or grow.
	clearing = 10

	sliceTime  = 500 * time.Microsecond // of work on a backlog between two pauses
	shortPause = time.Millisecond
	longPause  = 5 * time.Millisecond // while webhooks come without a gap
	smallBatch = 64                   // records normalized and stored together, for a short fsync
)

// Traffic counts the webhooks that are being stored.
type Traffic struct {
	now   atomic.Int64
	total atomic.Int64 // since the start
}

func (t *Traffic) begin() { t.now.Add(1); t.total.Add(1) }
func (t *Traffic) end()   { t.now.Add(-1) }

// Yield waits while webhooks are being stored, 5 ms at most: their senders wait for
// the answer.
func (t *Traffic) Yield(ctx context.Context) {
	for end := time.Now().Add(longPause); t.now.Load() > 0 && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(shortPause):
		}
	}
}

// yielding gives webhooks priority while a stage works off a backlog: their senders
// wait for the answer. It costs nothing when nothing arrives, when there is no
// backlog, and when the backlog would not shrink fast. One goroutine calls did;
// several may pause.
type yielding struct {
	traffic *Traffic
	on      atomic.Bool

	weighed time.Time // the last decision; what follows counts from then on
	done    int64     // pieces of work
	before  int64     // webhooks that had arrived
}

// did counts n pieces of work, the oldest of them received at since, and decides
// from time to time whether the stage yields.
func (y *yielding) did(n int, since time.Time) {
	y.done += int64(n)
	now := time.Now()
	if now.Sub(y.weighed) < weighEach {
		return
	}
	arrived := y.traffic.total.Load()
	came := arrived - y.before
	y.on.Store(came > 0 && now.Sub(since) > overdue && y.done >= clearing*came)
	y.weighed, y.before, y.done = now, arrived, 0
}

// workers is how many goroutines may work at once: one processor is left to webhooks.
func (y *yielding) workers() int {
	n := runtime.GOMAXPROCS(0)
	if y.on.Load() {
		n = max(1, n-1)
	}
	return n
}

// batch is how many of n records to normalize together.
func (y *yielding) batch(n int) int {
	if y.on.Load() {
		n = min(n, smallBatch)
	}
	return n
}

// worker is one goroutine's work for the stage.
func (y *yielding) worker() worker { return worker{yielding: y} }

// worker knows when its goroutine paused last.
type worker struct {
	yielding *yielding
	begun    time.Time
}

// pause is called between two pieces of work, and gives webhooks priority.
func (w *worker) pause(ctx context.Context) {
	if !w.yielding.on.Load() {
		return
	}
	traffic := w.yielding.traffic
	now := time.Now()
	if traffic.now.Load() == 0 && now.Sub(w.begun) < sliceTime {
		return
	}
	for end := now.Add(longPause); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(shortPause):
		}
		if w.begun = time.Now(); traffic.now.Load() == 0 || !w.begun.Before(end) {
			return
		}
	}
}

// writer is out with pauses between the writes.
func (w *worker) writer(ctx context.Context, out io.Writer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		w.pause(ctx)
		return out.Write(b)
	})
}

// writerFunc is a function that is a Writer.
type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }
