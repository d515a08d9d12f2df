package call

import (
	"cmp"
	"reflect"
	"slices"
	"time"
)

// Call is what is known of one call: the fold of all its events. Later known
// values replace earlier ones, unknown never replaces known, and an event that
// is older than what is known only fills gaps, so that the order of arrival
// does not matter.
type Call struct {
	Event

	Events  int               `json:"events"`            // events folded, duplicates left out
	Streams map[string]Stream `json:"streams,omitempty"` // running totals of cumulative counters
	Seen    []string          `json:"seen,omitempty"`    // ids of the latest events, oldest first
	Rank    int               `json:"rank,omitempty"`    // how far the call had come
}

// Stream is the running total of one run of cumulative counters.
type Stream struct {
	To    time.Time `json:"to,omitzero"`
	Last  Reading   `json:"last"`
	Total Reading   `json:"total"`
}

// Prefer decides which MOS a call shows where several are known.
type Prefer string

const (
	PreferProvider Prefer = "provider" // the provider's, else the estimate
	PreferEstimate Prefer = "estimate" // the estimate, else the provider's
	PreferWorst    Prefer = "worst"    // the lowest known
)

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
	older := rank(e.Kind) < c.Rank || rank(e.Kind) == c.Rank && e.OccurredAt.Before(c.OccurredAt)
	changed = c.foldFacts(e, older)
	changed = c.foldMOS(e, older, prefer) || changed
	changed = c.foldCounters(e) || changed
	changed = c.foldIntervals(e) || changed
	changed = c.foldRaw(e, older) || changed
	changed = c.foldIdentity(e, older) || changed
	c.Derive()
	return changed
}

// rank orders kinds by how late in a call they speak.
func rank(k Kind) int {
	return map[Kind]int{Progress: 1, Stats: 2, Ended: 3, Report: 4}[k]
}

func (c *Call) foldIdentity(e *Event, older bool) bool {
	changed := c.CallID == "" || e.Final && !c.Final
	c.ID, c.Provider, c.CallID, c.RawID = e.ID, e.Provider, e.CallID, e.RawID
	c.Kind = e.Kind
	c.Final = c.Final || e.Final
	if e.OccurredAt.After(c.OccurredAt) {
		c.OccurredAt = e.OccurredAt
	}
	if e.ReceivedAt.After(c.ReceivedAt) {
		c.ReceivedAt = e.ReceivedAt
	}
	if !older {
		c.Rank = rank(e.Kind)
	}
	return changed
}

func (c *Call) foldFacts(e *Event, older bool) (changed bool) {
	answered := c.Answered
	for _, f := range fieldTable() {
		if f.fold == foldOwn || f.fold == foldMOS {
			continue
		}
		from, to := f.of(e), f.of(&c.Event)
		if !known(from) {
			continue
		}
		keep := older
		switch f.fold {
		case foldEnded:
			keep = older && e.Kind != Ended || e.Kind == Report
		case foldSum:
			if e.Counters != nil {
				continue
			}
		}
		if known(to) && (keep || sameFact(from, to)) {
			continue
		}
		to.Set(from)
		changed = true
	}
	if answered != nil && *answered && !c.AnsweredAt.IsZero() {
		c.Answered = answered // the answer was seen: a cause that usually means "never answered" does not undo it
	}
	return changed
}

func sameFact(a, b reflect.Value) bool {
	switch {
	case a.Kind() == reflect.Pointer:
		return a.Elem().Equal(b.Elem())
	case a.Kind() == reflect.Slice:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	case a.Type() == reflect.TypeFor[time.Time]():
		return a.Interface().(time.Time).Equal(b.Interface().(time.Time))
	default:
		return a.Equal(b)
	}
}

// foldMOS moves the facts of the winning MOS as one: score, source, scope,
// grounding and what was missing always belong together.
func (c *Call) foldMOS(e *Event, older bool, prefer Prefer) bool {
	if e.MOS == nil {
		if c.MOS == nil && !older {
			c.MOSMissing = e.MOSMissing
		}
		return false
	}
	if c.MOS != nil && !prefer.takes(e, &c.Event, older) {
		return false
	}
	changed := c.MOS == nil || *c.MOS != *e.MOS || c.MOSSource != e.MOSSource
	c.MOS, c.MOSSource = e.MOS, e.MOSSource
	c.MOSScope, c.MOSGrounding, c.MOSMissing = e.MOSScope, e.MOSGrounding, e.MOSMissing
	return changed
}

// takes says whether the MOS of next replaces that of have; both are known.
func (p Prefer) takes(next, have *Event, older bool) bool {
	if next.MOSSource == have.MOSSource {
		return !older
	}
	if p == PreferWorst {
		return *next.MOS < *have.MOS || *next.MOS == *have.MOS && next.MOSSource == FromProvider
	}
	order := []string{NoMedia, Estimated, FromProvider}
	if p == PreferEstimate {
		order = []string{FromProvider, NoMedia, Estimated}
	}
	return slices.Index(order, next.MOSSource) > slices.Index(order, have.MOSSource)
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
		if c.MOSSource == Estimated {
			c.MOS = c.MOSEstimate
		}
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
