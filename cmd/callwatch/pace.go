package main

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	roomyHeap  = 96 << 20               // bytes that the heap may always grow to
	tightRoom  = 40                     // percent over what is in use, beyond that
	paceEvery  = 100 * time.Millisecond // what is in use may grow tenfold in a second
	liveMetric = "/gc/heap/live:bytes"
)

// paceGC collects rarely while the heap is small, and keeps it tight where it is
// large: what is large there is packed calls, which cost a collector little.
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
// collection.
func collectAfter(live uint64) int {
	room := 100*roomyHeap/math.Max(float64(live), 1<<20) - 100
	return int(min(max(room, tightRoom), 300))
}
