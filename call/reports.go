package call

import (
	"cmp"
	"slices"
	"time"
)

const (
	maxReports = 64  // of one call; older ones are joined
	maxStates  = 256 // changes of state of one report
)

// foldReport keeps a report of cumulative counters and says whether it was new.
// Reports are kept in the order of their intervals, so that the totals do not
// depend on the order in which they arrive. A report whose intervals all lie
// within another one is of no use beside it: it was sent again, with more.
func (c *Call) foldReport(r *Counters) bool {
	own := *r
	own.States = slices.Clone(r.States)
	if !own.counted() {
		return c.foldUncounted(&own)
	}
	for i := 0; i < len(c.Reports); i++ {
		have := &c.Reports[i]
		switch {
		case !have.counted():
		case own.To.IsZero(), have.covers(&own):
			have.States = mergeStates(have.States, own.States)
			return false
		case own.covers(have):
			own.States = mergeStates(have.States, own.States)
			own.Begins = own.Begins || have.Begins && have.From.Equal(own.From)
			c.Reports = slices.Delete(c.Reports, i, i+1)
			i--
		}
	}
	at, _ := slices.BinarySearchFunc(c.Reports, own, func(a, b Counters) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To))
	})
	c.Reports = slices.Insert(c.Reports, at, own)
	c.joinReports()
	return true
}

// foldUncounted keeps a report without readings: its segment was empty. It has no
// From and sorts before the others.
func (c *Call) foldUncounted(r *Counters) bool {
	if r.Segment == nil && len(r.States) == 0 {
		return false
	}
	r.From, r.To = time.Time{}, time.Time{}
	for i := range c.Reports {
		have := &c.Reports[i]
		if !have.counted() && have.Start.Equal(r.Start) && sameSegment(have.Segment, r.Segment) {
			have.States = mergeStates(have.States, r.States)
			return false
		}
	}
	if len(c.Reports) >= maxReports {
		return false
	}
	c.Reports = slices.Insert(c.Reports, 0, *r)
	return true
}

func sameSegment(a, b *int64) bool { return a == b || equal(a, b) }

// covers reports whether all intervals of o lie within those of r.
func (r *Counters) covers(o *Counters) bool {
	return !r.From.After(o.From) && !r.To.Before(o.To)
}

// joinReports makes one report of the two oldest ones where there are too many.
func (c *Call) joinReports() {
	for len(c.Reports) > maxReports {
		i := slices.IndexFunc(c.Reports, func(r Counters) bool { return r.counted() })
		a, b := c.Reports[i], c.Reports[i+1]
		joined := b
		joined.From, joined.Head, joined.First, joined.Begins, joined.Segment = a.From, a.Head, a.First, a.Begins, a.Segment
		joined.Sum = a.Sum.plus(a.Last, &b, b.continues(&a) && !b.restarts(&a))
		joined.Last = a.Last.after(b.Last)
		joined.Resets = a.Resets + b.Resets
		joined.RemoteJitterMs, joined.RemoteJitters = a.RemoteJitterMs+b.RemoteJitterMs, a.RemoteJitters+b.RemoteJitters
		joined.States = mergeStates(a.States, b.States)
		c.Reports = slices.Replace(c.Reports, i, i+2, joined)
	}
}

// continues reports whether r is of the same collector as the report before it: a
// collector that began after that one's end counts from zero.
func (r *Counters) continues(before *Counters) bool {
	return r.Start.IsZero() || r.Start.Before(before.To) || r.Start.Equal(before.Start)
}

// restarts reports whether the counters began again between two reports of one
// collector. Of reports that overlap the later one begins with lower counters.
func (r *Counters) restarts(before *Counters) bool {
	return !r.From.Before(before.To) && restarted(&before.Last, &r.First)
}

// begins reports whether no report with readings is missing before the first one:
// it says so itself, or every segment before it is here and has none.
func (c *Call) begins(r *Counters) bool {
	if r.Begins || r.Segment == nil {
		return r.Begins
	}
	for n := range *r.Segment {
		empty := slices.ContainsFunc(c.Reports, func(o Counters) bool {
			return !o.counted() && o.Segment != nil && *o.Segment == n && (o.Start.Equal(r.Start) || o.Start.IsZero() || r.Start.IsZero())
		})
		if n >= maxReports || !empty {
			return false
		}
	}
	return true
}

// sumReports takes the totals from the reports, and what the first interval of
// each counted, which only the report before it can tell.
func (c *Call) sumReports() {
	var (
		total, last Reading
		before      *Counters
		jitter      float64
		jitters     int
	)
	for i := range c.Reports {
		r := &c.Reports[i]
		if !r.counted() {
			continue
		}
		same := before != nil && r.continues(before)
		switch {
		case before == nil && c.begins(r):
			c.countHead(r, r.First)
			if r.Active && !r.From.IsZero() && (c.AnsweredAt.IsZero() || r.From.Before(c.AnsweredAt)) {
				c.AnsweredAt, c.Answered = r.From, new(true)
			}
		case same && r.Head.Sub(before.To) <= c.headLength(r):
			c.countHead(r, difference(&last, r, before))
		}
		if same {
			total = total.plus(last, r, !r.restarts(before))
			last = last.after(r.Last)
		} else {
			total = total.added(r.Sum)
			last = r.Last
		}
		jitter, jitters = jitter+r.RemoteJitterMs, jitters+r.RemoteJitters
		before = r
	}
	if before == nil {
		c.holdIntervals()
		return
	}
	c.holdIntervals()
	c.Total(total)
	if jitters > 0 {
		c.RemoteJitterMs = new(jitter / float64(jitters))
	}
	// These follow from the totals, and from nothing that a report says itself.
	c.RemotePacketLossPct, c.NoInboundAudio, c.NoOutboundAudio, c.OneWayAudio = nil, nil, nil, nil
}

// difference is what the first interval of r counted since the report before.
func difference(last *Reading, r, before *Counters) Reading {
	if r.restarts(before) {
		return r.First
	}
	var diff Reading
	prev, first := last.all(), r.First.all()
	for i, d := range diff.all() {
		if *first[i] != nil {
			*d = new(**first[i] - orZero(*prev[i]))
		}
	}
	return diff
}

// head is the place of the interval that the first reading of r is of; -1 for none.
func (c *Call) head(r *Counters) int {
	return slices.IndexFunc(c.Intervals, func(iv Interval) bool { return iv.Start.Equal(r.Head) && !r.Head.IsZero() })
}

// headLength is how long the collector may have paused before the first interval
// of r; after a longer gap a report is missing.
func (c *Call) headLength(r *Counters) time.Duration {
	if i := c.head(r); i >= 0 {
		return max(time.Second, c.Intervals[i].Duration())
	}
	return 0
}

func (c *Call) countHead(r *Counters, diff Reading) {
	if i := c.head(r); i >= 0 {
		c.Intervals[i].Count(diff)
	}
}

// mergeStates is both lists in the order of time, each change once.
func mergeStates(a, b []State) []State {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b State) int { return a.At.Compare(b.At) })
	all = slices.Compact(all)
	if over := len(all) - maxStates; over > 0 {
		all = slices.Delete(all, 0, over)
	}
	return all
}

// holdIntervals marks the intervals in which the call was on hold for some time.
func (c *Call) holdIntervals() {
	var states []State
	for _, r := range c.Reports {
		states = mergeStates(states, r.States)
	}
	MarkHeld(c.Intervals, states)
}

// MarkHeld marks the intervals in which the call was on hold for some time, by
// the changes of its state.
func MarkHeld(intervals []Interval, states []State) {
	for i := range intervals {
		intervals[i].Held = false
	}
	mark := func(from, to time.Time) {
		for i := range intervals {
			iv := &intervals[i]
			if iv.End.After(from) && (to.IsZero() || iv.Start.Before(to)) {
				iv.Held = true
			}
		}
	}
	var from time.Time
	held := len(states) > 0 && states[0].Was
	for _, s := range states {
		switch {
		case s.Held && !held:
			from, held = s.At, true
		case !s.Held && held:
			mark(from, s.At)
			held = false
		}
	}
	if held {
		mark(from, time.Time{})
	}
}
