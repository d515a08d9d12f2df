package query

import (
	"context"
	"time"

	"callwatch/handlers/backend"
)

// Work that requests ask for beside webhooks: each kind runs so many times at once.
const (
	explainsAtOnce = 2
	checksAtOnce   = 1
	triesAtOnce    = 2

	// slotWait is how long a request waits for its turn before it is refused.
	slotWait = 2 * time.Second
)

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
