package calls

import (
	"slices"
	"time"
)

// Expiry finds calls that had no event for long. Each is queued once while it is
// open and once after it has ended, however many events it has.
type Expiry struct {
	// EndedFor and OpenFor are how long a call is kept after its latest event, once
	// it has ended and before.
	EndedFor, OpenFor time.Duration

	ended, open []touchedCall
}

type touchedCall struct {
	call    *State
	touched int64 // microseconds since 1970
}

// Wait queues a call: when it begins, when it ends, and again if it had an event
// while it was queued.
func (x *Expiry) Wait(cs *State) {
	c := touchedCall{cs, cs.Touched.UnixMicro()}
	if cs.Over {
		x.ended = append(x.ended, c)
	} else {
		x.open = append(x.open, c)
	}
}

// Due returns the calls whose time is over, unless they had an event since.
func (x *Expiry) Due(now time.Time) []*State {
	return slices.Concat(takeBefore(&x.ended, now.Add(-x.EndedFor)), takeBefore(&x.open, now.Add(-x.OpenFor)))
}

// Gone reports whether a call has expired.
func (x *Expiry) Gone(cs *State, now time.Time) bool {
	if cs.Over {
		return cs.Touched.Before(now.Add(-x.EndedFor))
	}
	return cs.Touched.Before(now.Add(-x.OpenFor))
}

func takeBefore(queue *[]touchedCall, limit time.Time) []*State {
	n, before := 0, limit.UnixMicro()
	for n < len(*queue) && (*queue)[n].touched < before {
		n++
	}
	if n == 0 {
		return nil
	}
	taken := make([]*State, n)
	for i := range taken {
		taken[i] = (*queue)[i].call
	}
	clear((*queue)[:n])
	*queue = (*queue)[n:]
	return taken
}
