package call

import (
	"cmp"
	"reflect"
	"slices"
	"time"
)

// Call is what is known of one call: the fold of all its events. Later known
// values replace earlier ones and unknown never replaces known, where "later" is
// by what an event is about and when it happened, not by when it arrived.
type Call struct {
	Event

	Events  int        `json:"events"`            // events folded, duplicates left out
	Reports []Counters `json:"reports,omitempty"` // of cumulative counters, in the order of their intervals
	Scores  []Score    `json:"scores,omitempty"`  // the latest of each mosSource
	Seen    []string   `json:"seen,omitempty"`    // ids of the latest events, oldest first
	Latest  stamp      `json:"latest"`            // of the event that spoke last
	Sources sources    `json:"sources"`           // where each field's value came from
}

const (
	maxSeen      = 64
	maxIntervals = 3600 // an hour at one a second
)

// Folding is how events are folded.
type Folding struct {
	Prefer Prefer // which MOS a call shows
	// Rate rates the intervals of a call and returns its score; the source is
	// empty for none. Intervals that several events brought are rated again as
	// one list: short ones are rated together, and a silence may go on from one
	// report to the next. Without it each keeps the rating of its event.
	Rate func(e *Event) Score
}

// Fold is FoldWith without rating intervals again.
func (c *Call) Fold(e *Event, prefer Prefer) (changed bool) {
	return c.FoldWith(e, Folding{Prefer: prefer})
}

// FoldWith takes one event into the call and says whether it changed what is
// known. An event whose id was folded before changes nothing.
func (c *Call) FoldWith(e *Event, o Folding) (changed bool) {
	if slices.Contains(c.Seen, e.ID) {
		return false
	}
	if c.Seen = append(c.Seen, e.ID); len(c.Seen) > maxSeen {
		c.Seen = slices.Delete(c.Seen, 0, 1)
	}
	c.Events++
	st := stamp{e.Kind, e.OccurredAt}
	changed = c.foldFacts(e, st)
	several := len(c.Intervals) > 0 || len(c.Reports) > 0
	changed = c.foldIntervals(e) || changed
	changed = c.foldTurns(e, st.older(c.Latest, rank)) || changed
	changed = c.foldCounters(e) || changed
	changed = c.foldRaw(e, st.older(c.Latest, rank)) || changed
	changed = c.foldIdentity(e, st) || changed
	c.endProgress()
	if talk := between(c.AnsweredAt, c.EndedAt); talk != nil && c.active() {
		c.DurationSec = talk // a collector's report may know a part of it only
	}
	c.Derive()
	several = several && (len(e.Intervals) > 0 || e.Counters != nil)
	if several {
		c.summarize(o.Rate, st)
	}
	return c.foldMOS(e, st, o.Prefer, several && o.Rate != nil) || changed
}

// endProgress takes back "in progress" from a call of which the end is known. One
// whose collector ran from the answer on, and has readings, was completed.
func (c *Call) endProgress() {
	if !c.Final || c.Status != "" && c.Status != InProgress {
		return
	}
	c.Status = ""
	if c.Answered != nil && *c.Answered && c.active() {
		c.Status = Completed
	}
}

// active reports whether a collector that ran from the answer on has reported.
func (c *Call) active() bool {
	return slices.ContainsFunc(c.Reports, func(r Counters) bool { return r.Active })
}

func (c *Call) foldIdentity(e *Event, st stamp) bool {
	changed := c.CallID == "" || e.Final && !c.Final
	c.ID, c.Provider, c.Account, c.CallID, c.RawID = e.ID, e.Provider, e.Account, e.CallID, e.RawID
	c.Kind = e.Kind
	c.Final = c.Final || e.Final
	c.OccurredAt = latest(c.OccurredAt, e.OccurredAt)
	c.ReceivedAt = latest(c.ReceivedAt, e.ReceivedAt)
	if !st.older(c.Latest, rank) {
		c.Latest = st
	}
	return changed
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (c *Call) foldFacts(e *Event, st stamp) (changed bool) {
	table := fieldTable()
	place := c.Sources.add(st, len(table))
	counted := slices.ContainsFunc(c.Reports, func(r Counters) bool { return r.counted() })
	for i := range table {
		f := &table[i]
		if f.fold == foldOwn || f.fold == foldMOS || f.fold == foldSum && (e.Counters != nil || counted) {
			continue
		}
		if !f.slot.known(e) {
			continue
		}
		switch {
		case f.fold == foldFirst && f.slot.known(&c.Event) && !f.Time(e).Before(f.Time(&c.Event)):
			continue // it cannot have happened after somebody reported it
		case f.fold == foldFirst:
			changed = true
			f.slot.copy(&c.Event, e)
			c.Sources.Of[i] = place
			continue
		case f.fold == foldSpan && e.spanFollows(f):
			continue
		}
		order := rank
		if f.fold == foldEnded {
			order = endedRank
			// Talk time says more than the time from start to end, whichever comes later.
			if with, without := e.includesRinging(), c.DurationSec != nil && !c.includesRinging(); with && without {
				continue
			} else if !with && !without {
				order = nil
			}
		}
		if source, ok := c.Sources.of(i); ok && order != nil && st.older(source, order) {
			continue
		}
		changed = changed || !f.slot.same(e, &c.Event)
		f.slot.copy(&c.Event, e)
		c.Sources.Of[i] = place
	}
	c.forgetSpans(table)
	if !c.AnsweredAt.IsZero() {
		c.Answered = new(true) // the answer was seen: a cause that usually means "never answered" does not undo it
	}
	return changed
}

// spanFollows says whether a time between two moments is what the event's own
// moments give, so that it says nothing beside them.
func (e *Event) spanFollows(f *Field) bool {
	var own Event
	own.StartedAt, own.RingingAt, own.AnsweredAt, own.EndedAt, own.Answered = e.StartedAt, e.RingingAt, e.AnsweredAt, e.EndedAt, e.Answered
	own.deriveTimes()
	return f.slot.same(e, &own)
}

// forgetSpans clears the times between two moments that no provider measured:
// the moments may have changed, and Derive fills the times in again.
func (c *Call) forgetSpans(table []Field) {
	var none Event
	for i := range table {
		if table[i].fold != foldSpan {
			continue
		}
		if _, measured := c.Sources.of(i); !measured {
			table[i].slot.copy(&c.Event, &none)
		}
	}
}

// With is the call as e alone shows it: what e says, over what is known.
func (c *Call) With(e *Event) *Event {
	seen := c.Clone()
	table := fieldTable()
	for i := range table {
		f := &table[i]
		if f.slot.known(e) {
			f.slot.copy(&seen, e)
		} else if from := f.of(e); f.slot.form == formOther && known(from) {
			f.of(&seen).Set(from)
		}
	}
	return &seen
}

// foldCounters keeps a report of cumulative counters and takes the totals from all
// of them. What another event says of the same counters does not replace them.
func (c *Call) foldCounters(e *Event) bool {
	if e.Counters == nil {
		if len(c.Reports) > 0 && len(e.Intervals) > 0 {
			c.sumReports()
		}
		return false
	}
	changed := c.foldReport(e.Counters)
	c.sumReports()
	return changed
}

// added is the sum of two totals; unknown plus known is known.
func (r Reading) added(o Reading) Reading {
	a, b := r.all(), o.all()
	for i := range a {
		if *b[i] != nil {
			*a[i] = new(orZero(*a[i]) + **b[i])
		}
	}
	return r
}

// foldIntervals keeps the intervals of all reports in order of time, each once.
func (c *Call) foldIntervals(e *Event) bool {
	if len(e.Intervals) == 0 {
		return false
	}
	all := slices.Concat(c.Intervals, e.Intervals)
	slices.SortStableFunc(all, func(a, b Interval) int {
		return cmp.Or(a.Start.Compare(b.Start), a.End.Compare(b.End))
	})
	kept := all[:0]
	for _, iv := range all {
		last := len(kept) - 1
		switch {
		case last < 0 || iv.Start.IsZero() || !iv.Start.Equal(kept[last].Start) || !iv.End.Equal(kept[last].End):
			kept = append(kept, iv)
		case kept[last].PacketsReceived == nil && iv.PacketsReceived != nil:
			kept[last] = iv // the same interval, of a report that knows what was counted before
		}
	}
	if over := len(kept) - maxIntervals; over > 0 {
		kept = slices.Delete(kept, 0, over)
	}
	c.Intervals = kept
	return true
}

// summarize derives from the intervals of several reports what only all of them
// can tell.
func (c *Call) summarize(rate func(*Event) Score, st stamp) {
	c.JitterMs, c.JitterMaxMs = meanMax(c.Intervals, c.JitterMs, c.JitterMaxMs, func(iv Interval) *float64 { return iv.JitterMs })
	c.RTTMs, c.RTTMaxMs = meanMax(c.Intervals, c.RTTMs, c.RTTMaxMs, func(iv Interval) *float64 { return iv.RTTMs })
	c.AudioLevel, _ = meanMax(c.Intervals, c.AudioLevel, nil, func(iv Interval) *float64 {
		if iv.Held {
			return nil
		}
		return iv.AudioLevel
	})
	if rate == nil {
		if a, ok := AggregateIntervals(c.Intervals); ok {
			c.RFactor, c.MOSEstimate = &a.RFactor, &a.MOS
			c.MOSMin, c.MOSP5, c.MOSBelow35Pct = &a.MOSMin, &a.MOSP5, &a.MOSBelow35Pct
		}
		return
	}
	c.RFactor, c.MOSEstimate, c.MOSMin, c.MOSP5, c.MOSBelow35Pct = nil, nil, nil, nil, nil
	score := rate(&c.Event)
	score.Stamp = st
	c.Scores = slices.DeleteFunc(c.Scores, func(s Score) bool { return s.Source != FromProvider })
	if score.Source != "" {
		c.Scores = append(c.Scores, score)
	}
}

// meanMax is the mean and the largest of what the intervals know, or what was
// known before where they know nothing.
func meanMax(intervals []Interval, mean, largest *float64, of func(Interval) *float64) (*float64, *float64) {
	var sum, most float64
	var n int
	for _, iv := range intervals {
		if v := of(iv); v != nil {
			sum += *v
			most = max(most, *v)
			n++
		}
	}
	if n == 0 {
		return mean, largest
	}
	return new(sum / float64(n)), &most
}

// foldRaw merges the top-level members, so that what an earlier webhook said
// stays reachable after a report arrived.
func (c *Call) foldRaw(e *Event, older bool) bool {
	if len(e.Raw) == 0 {
		return false
	}
	raw := make(map[string]any, len(c.Raw)+len(e.Raw))
	for k, v := range c.Raw {
		raw[k] = v
	}
	for k, v := range e.Raw {
		if _, have := raw[k]; !have || !older {
			raw[k] = v
		}
	}
	changed := !reflect.DeepEqual(raw, c.Raw)
	c.Raw = raw
	return changed
}
