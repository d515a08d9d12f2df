package main

import (
	"testing"
	"time"
)

func TestCollectingPercent(t *testing.T) {
	for _, c := range []struct {
		name     string
		live     float64 // MB
		rate     float64 // MB a second
		cost     float64 // milliseconds
		min, max int     // percent
	}{
		{"nothing is known yet", 0, 0, 0, 2300, 2300},
		{"idle", 60, 0.1, 20, 15, 15},
		{"little in use", 8, 1, 5, 200, 200},
		{"a thousand webhooks a second", 100, 100, 20, 20, 20},
		{"a dearer collection", 100, 100, 40, 40, 40},
		{"saturation", 80, 450, 40, 100, 100}, // would be 225 by the share, but the heap is large
		{"saturation of a small heap", 40, 450, 20, 225, 225},
		{"a rush", 40, 5000, 20, 300, 300},
		{"very much in use", 4000, 400, 1000, 50, 50},
	} {
		got := collecting{procs: 2, live: c.live * (1 << 20), rate: c.rate * (1 << 20), cost: c.cost / 1000}.percent(collectShare)
		if got < c.min || got > c.max {
			t.Errorf("%s: %d %%, want %d to %d %%", c.name, got, c.min, c.max)
		}
	}
	busy := collecting{procs: 2, live: 40 << 20, rate: 100 << 20, cost: 0.02}
	if often, rarely := busy.percent(collectShare), busy.percent(rareShare); often != 50 || rarely != 250 {
		t.Errorf("%d %%, and %d %% while webhooks go first", often, rarely)
	}
}

// A rush is followed within a second, its end within seconds; a collection
// that is not over yet tells nothing of what one takes.
func TestCollectingFollows(t *testing.T) {
	c, last := collecting{procs: 2}, gcReading{}
	step := func(mb uint64, cycles uint64) {
		next := last
		next.live = 50 << 20
		next.allocated += mb << 20
		next.cycles += cycles
		next.spent += 0.02 * float64(cycles)
		c, last = c.after(last, next, 100*time.Millisecond), next
	}
	for range 5 {
		step(0, 0)
	}
	if c.cost != 0 || c.percent(collectShare) != tightest {
		t.Errorf("idle: %+v, %d %%", c, c.percent(collectShare))
	}
	for range 10 {
		step(40, 1)
	}
	if got := c.rate / (1 << 20); got < 350 || c.percent(collectShare) < 130 {
		t.Errorf("in a rush: %+v, %d %%", c, c.percent(collectShare))
	}
	for range 50 {
		step(0, 0)
	}
	if got := c.rate / (1 << 20); got > 50 || c.percent(collectShare) != tightest {
		t.Errorf("after the rush: %+v, %d %%", c, c.percent(collectShare))
	}
}
