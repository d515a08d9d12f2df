package pipeline

import (
	"context"
	"time"

	"callwatch/stream"
)

// Stages are the stages of this replica, for Backlog.
type Stages struct {
	Store     *stream.Store
	Leases    *Leases
	Normalize *Normalize
	Judge     *Judge
	Announce  *Announce
	Fetch     *Fetch
	Failures  *Failures
}

// Backlog is what each stage of this replica has still to work on, in messages of
// its stream. A stage that another replica runs is left out, unless it fails here.
func (s *Stages) Backlog() map[string]uint64 {
	ctx, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	last := lastStored(ctx, s.Store)
	behind := func(stream string, at uint64) uint64 { return last[stream] - min(at, last[stream]) }
	backlog := map[string]uint64{JudgeLease: behind("events", s.Judge.Passed())}
	now := time.Now()
	if s.Leases.Holds(NormalizeLease) || s.Failures.has(NormalizeLease, now) {
		backlog[NormalizeLease] = behind("raw", s.Normalize.Watermark())
	}
	if s.Leases.Holds(AnnounceLease) || s.Failures.has(AnnounceLease, now) {
		backlog[AnnounceLease] = behind("alerts", s.Announce.Watermark())
	}
	if s.Leases.Holds(FetchLease) || s.Failures.has(FetchLease, now) {
		backlog[FetchLease] = behind("events", s.Fetch.Watermark())
	}
	return backlog
}

// lastStored is the last sequence of each stream by its name; empty while the
// store does not answer.
func lastStored(ctx context.Context, store *stream.Store) map[string]uint64 {
	last := map[string]uint64{}
	for _, s := range store.Health(ctx).Streams {
		last[s.Name] = s.Last
	}
	return last
}
