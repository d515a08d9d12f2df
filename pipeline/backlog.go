package pipeline

import (
	"context"
	"time"

	"callwatch/pipeline/fetching"
	"callwatch/pipeline/stage"
	"callwatch/stream"
)

// Stages are the stages of this replica, for Backlog.
type Stages struct {
	Store     *stream.Store
	Leases    *stage.Leases
	Normalize *Normalize
	Judge     *Judge
	Announce  *Announce
	Fetch     *fetching.Fetch
	Failures  *stage.Failures
}

// Backlog is what each stage of this replica has still to work on, in messages of
// its stream. A stage that another replica runs is left out, unless it fails here.
func (s *Stages) Backlog() map[string]uint64 {
	ctx, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	last := stage.LastStored(ctx, s.Store)
	behind := func(stream string, at uint64) uint64 { return last[stream] - min(at, last[stream]) }
	backlog := map[string]uint64{stage.JudgeLease: behind("events", s.Judge.Passed())}
	now := time.Now()
	if s.Leases.Holds(stage.NormalizeLease) || s.Failures.Has(stage.NormalizeLease, now) {
		backlog[stage.NormalizeLease] = behind("raw", s.Normalize.Watermark())
	}
	if s.Leases.Holds(stage.AnnounceLease) || s.Failures.Has(stage.AnnounceLease, now) {
		backlog[stage.AnnounceLease] = behind("alerts", s.Announce.Watermark())
	}
	if s.Leases.Holds(stage.FetchLease) || s.Failures.Has(stage.FetchLease, now) {
		backlog[stage.FetchLease] = behind("events", s.Fetch.Watermark())
	}
	return backlog
}
