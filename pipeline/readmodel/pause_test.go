package readmodel

import (
	"context"
	"testing"
	"time"
)

// A whole file is fed in transactions that are short, with a pause behind each: a longer one takes
// the processor from webhooks.
func TestPauseBehindShortTransactions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 21)
	w.publish(10, 5)
	m := w.model("m")
	w.run(m, func() { w.current(m) })

	for range 8 {
		w.publish(500, 300)
	}
	m = w.model("m")
	at, pauses := uint64(0), 0
	m.cfg.Pause = func(context.Context, time.Duration, int) {
		now := m.Status().Event
		if at > 0 && now-at > 1000 {
			t.Errorf("a transaction of %d messages", now-at)
		}
		if now > at {
			at = now
			pauses++
		}
	}
	w.run(m, func() { w.current(m) })
	if pauses < 4 {
		t.Errorf("%d pauses for 4,000 messages", pauses)
	}
}
