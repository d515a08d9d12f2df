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
	// maxRest is how long a turn rests at most when its work has ended.
	maxRest = 250 * time.Millisecond
)

// Turns bounds how much work that requests ask for runs beside webhooks: reading what
// a large body says, compiling rules, explaining, trying, backtests. All of it takes
// turns on at most half of the processors, and a turn rests for as long as its work took, so that
// webhooks find a processor free also where somebody asks again and again.
type Turns chan struct{}

// NewTurns makes one turn for two processors, at least one and at most four.
func NewTurns() Turns { return make(Turns, min(max(1, runtime.GOMAXPROCS(0)/2), maxTurns)) }

// Take waits two seconds for a turn; backend.ErrBusy where none gets free.
func (t Turns) Take(ctx context.Context) (release func(), err error) {
	late := time.NewTimer(turnWait)
	defer late.Stop()
	select {
	case t <- struct{}{}:
		return t.begun(), nil
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
		return t.begun(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t Turns) begun() (release func()) {
	began := time.Now()
	return func() { time.AfterFunc(min(time.Since(began), maxRest), func() { <-t }) }
}
