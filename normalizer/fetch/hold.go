package fetch

import "time"

// hold is the pause that a provider's 429 asked for, for all requests.
type hold struct {
	until time.Time
	own   time.Duration // the last pause, where we had to choose it
}

// Pauses of our own, where a 429 does not say how long.
const (
	firstHold = time.Second
	lastHold  = time.Minute
)

// throttled takes a 429 and returns when to ask again.
func (h *hold) throttled(now time.Time, pause time.Duration, told bool) time.Time {
	if !told || pause <= 0 {
		h.own = min(max(2*h.own, firstHold), lastHold)
		pause = h.own
	}
	if until := now.Add(pause); until.After(h.until) {
		h.until = until
	}
	return h.until
}

// answered takes any other answer.
func (h *hold) answered() { h.own = 0 }
