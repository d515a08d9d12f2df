package stage

import (
	"context"
	"runtime"
	"time"
)

const (
	// parts is of how many parts of the time work behind the stages takes one for each
	// processor while these are busy: less than a tenth, with what reading costs beside it.
	parts = 64
	// partsBehind is the same while the stages work off a backlog. They and this work then
	// have all processors of a small machine, and a webhook waits until one pauses: on two
	// of them less than a hundredth of the time, which the 99th percentile does not show.
	partsBehind = 256

	busyAbove    = 0.5             // of the processors, used by this process
	busyWith     = 8               // webhooks that are stored at once: others may have the processors
	busyBehind   = 500             // messages that normalizing and judging have still to work on
	longestBreak = 3 * time.Second // and behind a backlog, until it is looked at again
)

// Share bounds what the work behind the stages takes from them. It is for one
// goroutine.
type Share struct {
	traffic *Traffic
	behind  func() uint64 // messages that normalizing and judging have still to work on
	at      time.Time     // of the last pause
	used    time.Duration // processor time of the process, as of then
	came    int64         // webhooks, as of then
}

// Share makes a share for one goroutine. behind is how many messages normalizing and
// judging have still to work on.
func (t *Traffic) Share(behind func() uint64) *Share { return &Share{traffic: t, behind: behind} }

// Pause waits after a piece of work that took worked: while webhooks come and the rest
// of the process leaves the processors no time to spare, or while many webhooks are being
// stored, so long that the goroutine is at work for times 64ths of the time for each
// processor, 3 s at most; while the stages are behind, for times 256ths; else up to 5 ms,
// until no webhook is being stored.
func (s *Share) Pause(ctx context.Context, worked time.Duration, times int) {
	now, used, came := time.Now(), processorTime(), s.traffic.total.Load()
	n := runtime.GOMAXPROCS(0)
	others := used - s.used - worked // the work itself is not what keeps the processors busy
	busy := came > s.came && (s.traffic.now.Load() >= busyWith || others > time.Duration(busyAbove*float64(n)*float64(now.Sub(s.at))))
	rest := func(of int) time.Duration {
		return worked * time.Duration(max(0, of-n*times)) / time.Duration(n*times)
	}
	for left := rest(partsBehind); left > 0 && ctx.Err() == nil && s.behind() > busyBehind; left -= longestBreak {
		wait(ctx, min(left, longestBreak))
		busy = false
	}
	if busy {
		wait(ctx, min(rest(parts), longestBreak))
	}
	s.traffic.Yield(ctx)
	s.at, s.used, s.came = time.Now(), processorTime(), s.traffic.total.Load()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
