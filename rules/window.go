package rules

import (
	"math"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// windowState is what one key of a window rule remembers.
type windowState struct {
	Buckets *buckets   `json:"buckets"`
	Recent  []call.Key `json:"recent,omitempty"`  // latest calls counted
	Bad     []call.Key `json:"bad,omitempty"`     // latest calls that are to blame
	Trend   []figureAt `json:"trend,omitempty"`   // of the leading figure
	TrendAt int64      `json:"trendAt,omitempty"` // stride at its last point
	Last    *lastCalls `json:"last,omitempty"`    // of windows over calls
}

// figureAt is a point of a trend; At is in seconds since 1970.
type figureAt struct {
	At    int64   `json:"t"`
	Value float64 `json:"v"`
}

const (
	recentCalls = 8
	badCalls    = 8
	trendPoints = 12
	trendSteps  = 3 // buckets between two points; of a window over calls, thirtieths of it
)

// count takes a settled call into the windows of rules that have not counted it.
func (g *Engine) count(rules []int, cs *callState) {
	loaded := false
	g.watch.begin()
	defer g.watch.end()
	for _, i := range rules {
		if cs.Outcomes[i] != unseen || g.st.Rules[i].Disabled {
			continue
		}
		if !loaded {
			g.seen = &cs.Call.Event
			g.facts.Load(g.seen)
			loaded = true
		}
		cs.Outcomes[i] = counted
		g.countIn(i, g.set.Rules[i], cs)
		g.watch.lap(i)
	}
}

func (g *Engine) countIn(i int, r *Rule, cs *callState) {
	health := g.st.Rules[i]
	switch concerned, unknown := g.concerns(i, r); {
	case unknown:
		health.Counts.Unjudged++
		return
	case !concerned:
		return
	}
	at := happened(g.seen, cs.Ended)
	if r.Window.Calls == 0 && cs.Ended.Sub(at) > r.Window.Grace {
		health.Late++
		return
	}
	k := g.keyOfCall(i, g.seen)
	if k == nil {
		return
	}
	readings, err := r.Window.read(&g.facts, g.readings[:0])
	g.readings = readings
	if err != nil {
		health.fail(r.failure(err))
	}
	k.Seen = g.st.Now
	k.Window = k.Window.add(r.Window, at, g.st.Now, readings)
	known, met := r.Window.blames(readings)
	k.Window.remember(cs.Call.Key(), met && r.Window.lead.tells())
	health.Counts.add(known, met)
	if met {
		health.matchAt(g.st.Now)
	}
	if k.Incident != nil {
		k.addToIncident(g, r, known, met)
	}
	g.judgeWindow(i, r, k)
}

// concerns says whether `where` and `except` let the loaded call count.
func (g *Engine) concerns(i int, r *Rule) (concerned, unknown bool) {
	defer func() {
		if p := recover(); p != nil {
			g.st.Rules[i].fail(r.failure(p))
			concerned, unknown = false, true
		}
	}()
	if r.Where != nil {
		switch g.eval(i, r, r.Where) {
		case condition.False:
			return false, false
		case condition.Unknown:
			return false, true
		}
	}
	for _, x := range r.Except {
		if g.eval(i, r, x.When) == condition.True {
			return false, false
		}
	}
	return true, false
}

func (c *Counts) add(known, met bool) {
	switch {
	case !known:
		c.Unjudged++
	case met:
		c.Matched++
		c.Judged++
	default:
		c.Judged++
	}
}

// blames says whether the leading figure's argument is known of the call read,
// and whether the call is one of those that the rule is about.
func (w *Window) blames(readings []reading) (known, met bool) {
	if w.lead.arg < 0 {
		return true, true
	}
	r := readings[w.lead.arg]
	return r.known, r.met || r.known && !w.lead.cond && !w.lead.bound
}

// add counts a call that was over at a time. One that settles when the window
// has left that time behind counts when it settles.
func (s *windowState) add(w *Window, at, now time.Time, readings []reading) *windowState {
	shape := &w.shape
	if w.Calls > 0 {
		if s == nil || s.Last == nil {
			s = &windowState{Buckets: newBuckets(shape, 0), Last: &lastCalls{}}
		}
		s.Last.take(w, s.Buckets, readings)
		return s
	}
	head := shape.at(now)
	if s == nil {
		s = &windowState{Buckets: newBuckets(shape, head)}
	}
	s.Buckets.advance(shape, head)
	number := head
	if at.Before(now) { // clocks of providers run ahead
		number = shape.at(at)
	}
	if number <= head-int64(shape.steps) {
		number = head
	}
	s.Buckets.add(shape, number, readings)
	return s
}

// fits reports whether a window that was read from a checkpoint is one of w.
func (s *windowState) fits(w *Window) bool {
	if s == nil || w == nil {
		return s == nil
	}
	sh := &w.shape
	return s.Buckets != nil && len(s.Buckets.Counts) == sh.ring*sh.counts && len(s.Buckets.Sums) == sh.ring*sh.sums &&
		len(s.Buckets.Sketches) == sh.ring*sh.sketches && len(s.Buckets.Sets) == sh.sets &&
		(s.Last != nil) == (w.Calls > 0) && (s.Last == nil || s.Last.fits(w))
}

func (s *windowState) remember(k call.Key, bad bool) {
	s.Recent = pushBounded(s.Recent, k, recentCalls)
	if bad {
		s.Bad = pushBounded(s.Bad, k, badCalls)
	}
}

func pushBounded[T any](list []T, v T, most int) []T {
	if len(list) < most {
		if list == nil {
			list = make([]T, 0, most)
		}
		return append(list, v)
	}
	copy(list, list[1:])
	list[len(list)-1] = v
	return list
}

// follow adds a point to the trend, one for every third bucket.
func (s *windowState) follow(w *Window, value float64, now time.Time) {
	if math.IsNaN(value) {
		return
	}
	stride := s.Buckets.Head
	if s.Last != nil {
		stride = s.Last.Total / int64(max(w.Calls/windowSteps, 1))
	}
	if len(s.Trend) > 0 && stride-s.TrendAt < trendSteps {
		return
	}
	s.TrendAt = stride
	s.Trend = pushBounded(s.Trend, figureAt{now.Unix(), value}, trendPoints)
}
