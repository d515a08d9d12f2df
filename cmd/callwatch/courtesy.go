package main

import (
	"context"
	"io"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	overdue   = time.Second            // what has waited longer belongs to a backlog
	weighEach = 250 * time.Millisecond // whether to go on letting webhooks pass

	// clearing is how many times as fast as webhooks arrive a backlog must shrink
	// for them to go first: else it would stay for long, or grow.
	clearing = 10

	sliceTime  = 500 * time.Microsecond // of work on a backlog between two rests
	shortRest  = time.Millisecond
	longRest   = 5 * time.Millisecond // when one webhook comes behind the other
	fewRecords = 64                   // normalized and stored at once, for a small fsync
)

// arriving counts the webhooks that are being stored.
type arriving struct {
	now   atomic.Int64
	total atomic.Int64 // since the start
}

func (a *arriving) begin() { a.now.Add(1); a.total.Add(1) }
func (a *arriving) end()   { a.now.Add(-1) }

// courtesy lets webhooks go first while a stage works off a backlog: their senders
// wait for the answer, while what is old has waited already. It costs nothing when
// nothing arrives, when there is no backlog, and when the backlog would not shrink
// fast. One goroutine tells it what was done; several may rest.
type courtesy struct {
	giving atomic.Bool

	weighed time.Time // when it was last decided; what follows counts from then on
	done    int64     // pieces of work
	before  int64     // webhooks that had arrived
}

// did counts n pieces of work, the oldest of them received at since, and decides
// now and then whether webhooks go first. arrived counts those since the start.
func (c *courtesy) did(n int, since time.Time, arrived int64) {
	c.done += int64(n)
	now := time.Now()
	if now.Sub(c.weighed) < weighEach {
		return
	}
	came := arrived - c.before
	c.giving.Store(came > 0 && now.Sub(since) > overdue && c.done >= clearing*came)
	c.weighed, c.before, c.done = now, arrived, 0
}

// workers is how many goroutines may work at once: one processor is left to webhooks.
func (c *courtesy) workers() int {
	n := runtime.GOMAXPROCS(0)
	if c.giving.Load() {
		n = max(1, n-1)
	}
	return n
}

// atOnce is how many of n records to take on together.
func (c *courtesy) atOnce(n int) int {
	if c.giving.Load() {
		n = min(n, fewRecords)
	}
	return n
}

// turn is one goroutine's work for a stage since it last rested.
type turn struct {
	courtesy *courtesy
	arriving *arriving
	begun    time.Time
}

func (a *app) turn(c *courtesy) turn { return turn{courtesy: c, arriving: &a.arriving} }

// rest is called between two pieces of work, and lets webhooks go first.
func (t *turn) rest(ctx context.Context) {
	if !t.courtesy.giving.Load() {
		return
	}
	now := time.Now()
	if t.arriving.now.Load() == 0 && now.Sub(t.begun) < sliceTime {
		return
	}
	for end := now.Add(longRest); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(shortRest):
		}
		if t.begun = time.Now(); t.arriving.now.Load() == 0 || !t.begun.Before(end) {
			return
		}
	}
}

// slowly is w with rests between the writes.
func (t *turn) slowly(ctx context.Context, w io.Writer) io.Writer {
	return writing(func(b []byte) (int, error) {
		t.rest(ctx)
		return w.Write(b)
	})
}

// writing is a function that is a Writer.
type writing func([]byte) (int, error)

func (w writing) Write(b []byte) (int, error) { return w(b) }
