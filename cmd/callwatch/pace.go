package main

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	roomyHeap  = 160 << 20              // bytes that the heap may always grow to
	tightRoom  = 100                    // percent over what is in use, beyond that
	paceEvery  = 100 * time.Millisecond // what is in use may grow tenfold in a second
	liveMetric = "/gc/heap/live:bytes"
)

// paceGC collects rarely while the heap is small: a small heap fills many times a
// second.
func paceGC(ctx context.Context) {
	sample := []metrics.Sample{{Name: liveMetric}}
	every := time.NewTicker(paceEvery)
	defer every.Stop()
	for set := 0; ; {
		metrics.Read(sample)
		if percent := collectAfter(sample[0].Value.Uint64()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// collectAfter is how much the heap may grow over what is in use before the next
// collection, in steps of 50 since each change stops the world.
func collectAfter(live uint64) int {
	room := 100*roomyHeap/math.Max(float64(live), 1<<20) - 100
	return int(min(max(room, tightRoom), 300)) / 50 * 50
}
