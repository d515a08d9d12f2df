package query

import (
	"context"
	"runtime"
	"time"

	"callwatch/handlers/backend"
)

const (
	// checksAtOnce is how many rules files that are not in force are read at once.
	checksAtOnce = 1
	// slotWait is how long a request waits for its turn before it is refused.
	slotWait = 2 * time.Second
)

// atOnce is how many times work of a kind that requests ask for beside webhooks runs at
// once: on half of the processors.
func atOnce() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// slots bounds how many requests do one kind of work at the same time.
type slots chan struct{}

func newSlots(n int) slots { return make(slots, n) }

// acquire waits a short time for a free slot; backend.ErrBusy where none gets free.
// The caller releases it.
func (s slots) acquire(ctx context.Context) (release func(), err error) {
	late := time.NewTimer(slotWait)
	defer late.Stop()
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C:
		return nil, backend.ErrBusy
	}
}
