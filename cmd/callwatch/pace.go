package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	paceEvery    = 100 * time.Millisecond // what is in use may grow tenfold in a second
	collectShare = 0.05                   // of the processors' time: what collecting may take before the heap grows
	rareShare    = 0.01                   // while webhooks go first: a collection takes the processor they need
	tightest     = 15                     // percent that the heap may always grow over what is in use
	loosest      = 50                     // percent that it may grow to at most, once it is large
	smallHeap    = 24 << 20               // bytes it may grow to however little is in use
	roomyHeap    = 160 << 20              // bytes from which it is large
)

// paceGC keeps the heap as small as it can be while collecting takes a small share
// of the processors' time: with little to do it collects often, with much rarely.
func paceGC(ctx context.Context, rarely func() bool) {
	every := time.NewTicker(paceEvery)
	defer every.Stop()
	c := collecting{procs: runtime.GOMAXPROCS(0)}
	percent, last, at := 0, readGC(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			next := readGC()
			c = c.after(last, next, now.Sub(at))
			last, at = next, now
			// Each change stops the world.
			share := collectShare
			if rarely() {
				share = rareShare
			}
			if want := c.percent(share); want > percent+percent/8 || want < percent-percent/8 {
				debug.SetGCPercent(want)
				percent = want
			}
		}
	}
}

// gcReading is what the runtime counts.
type gcReading struct {
	live      uint64  // bytes in use after the latest collection
	allocated uint64  // bytes
	cycles    uint64  // collections
	spent     float64 // seconds of processor time on collecting, as of the latest collection
}

func readGC() gcReading {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
	}
	metrics.Read(s)
	return gcReading{s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Float64()}
}

// collecting is what collecting is known to take.
type collecting struct {
	procs int
	live  float64 // bytes in use
	rate  float64 // bytes allocated a second
	cost  float64 // seconds of processor time for a collection
}

// after takes a reading: the rate follows a rise sooner than a fall.
func (c collecting) after(last, next gcReading, passed time.Duration) collecting {
	c.live = float64(next.live)
	rate := float64(next.allocated-last.allocated) / max(passed, time.Millisecond).Seconds()
	if rate > c.rate {
		c.rate += (rate - c.rate) * 0.2
	} else {
		c.rate += (rate - c.rate) * 0.05
	}
	if n := next.cycles - last.cycles; n > 0 {
		cost := (next.spent - last.spent) / float64(n)
		if c.cost == 0 {
			c.cost = cost
		}
		c.cost += (cost - c.cost) * 0.2
	}
	return c
}

// percent is how much the heap may grow over what is in use before the next
// collection: as little as the share allows, within limits.
func (c collecting) percent(share float64) int {
	live := max(c.live, 1<<20)
	room := c.rate * c.cost / (share * float64(c.procs))
	most := max(roomyHeap-live, live*loosest/100)
	return int(100 * max(min(room, most), live*tightest/100, smallHeap-live) / live)
}
