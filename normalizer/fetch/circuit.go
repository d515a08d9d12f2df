package fetch

import "time"

// Circuit keeps requests from a provider that is down. It opens after a number
// of failures in a row; when its pause is over one request is let through as a
// probe, which closes it or doubles the pause. The zero value with Failures,
// Pause and Longest set is closed. Time is an argument; not safe for concurrent use.
type Circuit struct {
	Failures int           // in a row, to open
	Pause    time.Duration // the first one
	Longest  time.Duration // of pauses

	failed  int
	pause   time.Duration
	until   time.Time
	probing bool
}

// State is that of a circuit, by its usual names.
type State string

const (
	Closed   State = "closed"
	Open     State = "open"
	HalfOpen State = "half-open"
)

// State is the state of the circuit at a time.
func (c *Circuit) State(now time.Time) State {
	switch {
	case c.until.IsZero():
		return Closed
	case now.Before(c.until):
		return Open
	default:
		return HalfOpen
	}
}

// Allow says whether a request may be sent, and if not, when to ask again. Each
// request allowed must be followed by Succeed, Fail or Forget.
func (c *Circuit) Allow(now time.Time) (until time.Time, ok bool) {
	switch c.State(now) {
	case Closed:
		return time.Time{}, true
	case Open:
		return c.until, false
	default:
		if c.probing {
			return now.Add(c.Pause), false
		}
		c.probing = true
		return time.Time{}, true
	}
}

// Succeed takes an answer of a provider that works.
func (c *Circuit) Succeed() { c.failed, c.pause, c.until, c.probing = 0, 0, time.Time{}, false }

// Fail takes a failure. Those of requests that were sent before the circuit
// opened change nothing.
func (c *Circuit) Fail(now time.Time) {
	switch c.State(now) {
	case Open:
		return
	case HalfOpen:
		if !c.probing {
			return
		}
		c.pause = min(2*c.pause, c.Longest)
	default:
		if c.failed++; c.failed < c.Failures {
			return
		}
		c.pause = c.Pause
	}
	c.until, c.probing = now.Add(c.pause), false
}

// Forget takes a request back that was never answered for a reason of ours.
func (c *Circuit) Forget() { c.probing = false }
