package stage

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

	// SmallBatch is how many records are normalized and stored together while webhooks go
	// first, for a short fsync.
	SmallBatch = 64
)

// Traffic counts the webhooks that are being stored.
type Traffic struct {
	now   atomic.Int64
	total atomic.Int64 // since the start
}

// Begin counts a webhook that is about to be stored; End must follow.
func (t *Traffic) Begin() { t.now.Add(1); t.total.Add(1) }

// End counts the webhook as stored, or refused.
func (t *Traffic) End() { t.now.Add(-1) }

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

// Yielding gives webhooks priority while a stage works off a backlog: their senders
// wait for the answer. It costs nothing when nothing arrives, when there is no
// backlog, and when the backlog would not shrink fast. One goroutine calls Did;
// several may pause.
type Yielding struct {
	Traffic *Traffic
	On      atomic.Bool

	Weighed time.Time // the last decision; what follows counts from then on
	Done    int64     // pieces of work
	before  int64     // webhooks that had arrived
}

// Did counts n pieces of work, the oldest of them received at since, and decides
// from time to time whether the stage yields.
func (y *Yielding) Did(n int, since time.Time) {
	y.Done += int64(n)
	now := time.Now()
	if now.Sub(y.Weighed) < weighEach {
		return
	}
	arrived := y.Traffic.total.Load()
	came := arrived - y.before
	y.On.Store(came > 0 && now.Sub(since) > overdue && y.Done >= clearing*came)
	y.Weighed, y.before, y.Done = now, arrived, 0
}

// Workers is how many goroutines may work at once: one processor is left to webhooks.
func (y *Yielding) Workers() int {
	n := runtime.GOMAXPROCS(0)
	if y.On.Load() {
		n = max(1, n-1)
	}
	return n
}

// Batch is how many of n records to normalize together.
func (y *Yielding) Batch(n int) int {
	if y.On.Load() {
		n = min(n, SmallBatch)
	}
	return n
}

// Pauser is for one goroutine that works for the stage.
func (y *Yielding) Pauser() Pauser { return Pauser{yielding: y} }

// Pauser knows when its goroutine paused last.
type Pauser struct {
	yielding *Yielding
	begun    time.Time
}

// Pause is called between two pieces of work, and gives webhooks priority.
func (w *Pauser) Pause(ctx context.Context) {
	if !w.yielding.On.Load() {
		return
	}
	traffic := w.yielding.Traffic
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

// Writer is out with pauses between the writes.
func (w *Pauser) Writer(ctx context.Context, out io.Writer) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		w.Pause(ctx)
		return out.Write(b)
	})
}

// writerFunc is a function that is a Writer.
type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }
