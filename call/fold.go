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

	Events  int               `json:"events"`            // events folded, duplicates left out
	Streams map[string]Stream `json:"streams,omitempty"` // running totals of cumulative counters
	Scores  []Score           `json:"scores,omitempty"`  // the latest of each mosSource
	Seen    []string          `json:"seen,omitempty"`    // ids of the latest events, oldest first
	Latest  stamp             `json:"latest"`            // of the event that spoke last
	Sources sources           `json:"sources"`           // where each field's value came from
}

// Stream is the running total of one run of cumulative counters.
type Stream struct {
	To    time.Time `json:"to,omitzero"`
	Last  Reading   `json:"last"`
	Total Reading   `json:"total"`
}

const (
	maxSeen      = 64
	maxStreams   = 16
	maxIntervals = 3600 // an hour at one a second
)

// Fold takes one event into the call and says whether it changed what is known.
// An event whose id was folded before changes nothing.
func (c *Call) Fold(e *Event, prefer Prefer) (changed bool) {
	if slices.Contains(c.Seen, e.ID) {
		return false
	}
	if c.Seen = append(c.Seen, e.ID); len(c.Seen) > maxSeen {
		c.Seen = slices.Delete(c.Seen, 0, 1)
	}
	c.Events++
	st := stamp{e.Kind, e.OccurredAt}
	changed = c.foldFacts(e, st)
	changed = c.foldIntervals(e) || changed
	changed = c.foldMOS(e, st, prefer) || changed
	changed = c.foldCounters(e) || changed
	changed = c.foldRaw(e, st.older(c.Latest, rank)) || changed
	changed = c.foldIdentity(e, st) || changed
	c.Derive()
	return changed
}

func (c *Call) foldIdentity(e *Event, st stamp) bool {
	changed := c.CallID == "" || e.Final && !c.Final
	c.ID, c.Provider, c.CallID, c.RawID = e.ID, e.Provider, e.CallID, e.RawID
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
	for i := range table {
		f := &table[i]
		if f.fold == foldOwn || f.fold == foldMOS || f.fold == foldSum && e.Counters != nil {
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
		}
		if source, ok := c.Sources.of(i); ok && st.older(source, order) {
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

// foldCounters adds what a report of cumulative counters brings. A report that
// ends no later than the last one of its stream is dropped: it would look like
// a restart.
func (c *Call) foldCounters(e *Event) bool {
	if e.Counters == nil {
		return false
	}
	s, continued := c.Streams[e.Counters.Stream]
	if continued && !e.Counters.To.After(s.To) || !continued && len(c.Streams) >= maxStreams {
		return false
	}
	s.Total = s.Total.plus(s.Last, e.Counters)
	s.Last, s.To = s.Last.after(e.Counters.Last), e.Counters.To
	if c.Streams == nil {
		c.Streams = map[string]Stream{}
	}
	c.Streams[e.Counters.Stream] = s

	var total Reading
	for _, s := range c.Streams {
		total = total.added(s.Total)
	}
	c.PacketsReceived, c.PacketsLost = total.PacketsReceived, Clamped(total.PacketsLost)
	c.PacketsSent, c.PacketsDiscarded = total.PacketsSent, total.PacketsDiscarded
	c.BytesReceived, c.BytesSent = total.BytesReceived, total.BytesSent
	c.RemotePacketsLost = Clamped(total.RemoteLost)
	if pct := LossPct(c.PacketsReceived, c.PacketsLost); pct != nil {
		c.PacketLossPct = pct
	}
	return true
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

// foldIntervals keeps the intervals of all reports in order of time, each once,
// and derives from them what only the whole call can tell.
func (c *Call) foldIntervals(e *Event) bool {
	if len(e.Intervals) == 0 {
		return false
	}
	before := len(c.Intervals)
	c.Intervals = slices.Concat(c.Intervals, e.Intervals)
	slices.SortStableFunc(c.Intervals, func(a, b Interval) int {
		return cmp.Or(a.Start.Compare(b.Start), a.End.Compare(b.End))
	})
	c.Intervals = slices.CompactFunc(c.Intervals, func(a, b Interval) bool {
		return !a.Start.IsZero() && a.Start.Equal(b.Start) && a.End.Equal(b.End)
	})
	if over := len(c.Intervals) - maxIntervals; over > 0 {
		c.Intervals = slices.Delete(c.Intervals, 0, over)
	}
	if before == 0 {
		return true // the event's own figures are those of all intervals
	}
	c.JitterMs, c.JitterMaxMs = meanMax(c.Intervals, c.JitterMs, c.JitterMaxMs, func(iv Interval) *float64 { return iv.JitterMs })
	c.RTTMs, c.RTTMaxMs = meanMax(c.Intervals, c.RTTMs, c.RTTMaxMs, func(iv Interval) *float64 { return iv.RTTMs })
	if a, ok := AggregateIntervals(c.Intervals); ok {
		c.RFactor, c.MOSEstimate = &a.RFactor, &a.MOS
		c.MOSMin, c.MOSP5, c.MOSBelow35Pct = &a.MOSMin, &a.MOSP5, &a.MOSBelow35Pct
	}
	return true
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
