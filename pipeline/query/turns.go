package query

import (
	"context"
	"runtime"
	"time"

	"callwatch/handlers/backend"
)

const (
	// turnWait is how long a request waits for its turn before it is refused.
	turnWait = 2 * time.Second
	// maxTurns bounds the memory of work beside webhooks: rules that are compiled take
	// up to 100 MB.
	maxTurns = 4
)

// Turns bounds how much work that requests ask for runs beside webhooks: reading what
// a large body says, compiling rules, explaining, trying, backtests. All of it takes
// turns on at most half of the processors, so that webhooks find the others free.
type Turns chan struct{}

// NewTurns makes one turn for two processors, at least one and at most four.
func NewTurns() Turns { return make(Turns, min(max(1, runtime.GOMAXPROCS(0)/2), maxTurns)) }

// Take waits two seconds for a turn; backend.ErrBusy where none gets free.
func (t Turns) Take(ctx context.Context) (release func(), err error) {
	late := time.NewTimer(turnWait)
	defer late.Stop()
	select {
	case t <- struct{}{}:
		return t.release, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C:
		return nil, backend.ErrBusy
	}
}

// Wait waits for a turn until ctx ends.
func (t Turns) Wait(ctx context.Context) (release func(), err error) {
	select {
	case t <- struct{}{}:
		return t.release, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t Turns) release() { <-t }
