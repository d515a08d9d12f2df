package rules

import (
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// windowState is what one key of a window rule remembers.
type windowState struct {
	Buckets *buckets    `json:"buckets"`
	Recent  []call.Key  `json:"recent,omitempty"`  // latest calls counted
	Leads   []leadState `json:"leads,omitempty"`   // by the lead's place in the rule
	TrendAt int64       `json:"trendAt,omitempty"` // stride at the last point of the trends
	Last    *lastCalls  `json:"last,omitempty"`    // of windows over calls
}

// figureAt is a point of a trend; At is in seconds since 1970.
type figureAt struct {
	At    int64   `json:"t"`
	Value float64 `json:"v"`
}

const (
	recentCalls = 8
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
		if g.opt.counted != nil {
			g.opt.counted(i, cs)
		}
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
	if k.Seen = g.st.Now; k.Window == nil {
		k.Watched = instantOf(g.st.Now)
	}
	var place int64
	k.Window, place = k.Window.add(r.Window, at, g.st.Now, readings)
	k.Window.remember(cs.Key)
	total := g.blame(r, k, cs.Key, place, readings)
	health.Counts.add(total)
	if total.met {
		health.matchAt(g.st.Now)
	}
	if k.Incident != nil {
		k.addToIncident(g, r, readings)
	}
	g.judgeWindow(i, r, k)
}

// blame remembers the call that is loaded for the leads of which it is evidence,
// and joins what they make of it.
func (g *Engine) blame(r *Rule, k *keyState, key call.Key, place int64, readings []reading) (total part) {
	w, s := r.Window, k.Window
	if len(w.leads) == 0 {
		return part{true, true, true}
	}
	if len(s.Leads) != len(w.leads) {
		s.Leads = make([]leadState, len(w.leads))
	}
	left := s.Buckets.Head - int64(w.shape.steps)
	if s.Last != nil {
		left = s.Last.Total - int64(w.Calls)
	}
	stays := func(b blamed) bool { return b.At > left && g.hasCall(b.Key) }
	for i := range w.leads {
		l := &w.leads[i]
		p := l.part(readings)
		total = part{total.measured || p.measured, total.judged || p.judged, total.met || p.met}
		if p.met && l.blames() {
			s.Leads[i].blame(l, blamed{key, l.rank(&readings[l.arg], &g.facts), place}, stays)
		}
	}
	return total
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

func (c *Counts) add(p part) {
	switch {
	case !p.judged:
		c.Unjudged++
		if p.measured {
			c.Partial++
		}
	case p.met:
		c.Matched++
		c.Judged++
	default:
		c.Judged++
	}
}

// add counts a call that was over at a time, and tells where: the number of its
// bucket or, of a window over calls, its own. One that settles when the window has left that time behind counts when it settles.
func (s *windowState) add(w *Window, at, now time.Time, readings []reading) (*windowState, int64) {
	shape := &w.shape
	if w.Calls > 0 {
		if s == nil || s.Last == nil {
			s = &windowState{Buckets: newBuckets(shape, 0), Last: &lastCalls{}}
		}
		s.Last.take(w, s.Buckets, readings)
		return s, s.Last.Total
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
	s.Buckets.add(w, number, readings)
	return s, number
}

// fits reports whether a window that was read from a checkpoint is one of w.
func (s *windowState) fits(w *Window) bool {
	if s == nil || w == nil {
		return s == nil
	}
	sh := &w.shape
	return s.Buckets != nil && len(s.Buckets.Counts) == sh.ring*sh.counts && len(s.Buckets.Sums) == sh.ring*sh.sums &&
		len(s.Buckets.Sketches) == sh.ring*sh.sketches && len(s.Buckets.Sets) == sh.sets &&
		(s.Last != nil) == (w.Calls > 0) && (s.Last == nil || s.Last.fits(w)) && (len(s.Leads) == 0 || len(s.Leads) == len(w.leads))
}

func (s *windowState) remember(k call.Key) {
	s.Recent = pushBounded(s.Recent, k, recentCalls)
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

// follow adds a point to the trends, one for every third bucket. A bounded figure
// is shown by the end that decides.
func (s *windowState) follow(w *Window, figures []condition.Bounds, now time.Time) {
	stride := s.Buckets.Head
	if s.Last != nil {
		stride = s.Last.Total / int64(max(w.Calls/windowSteps, 1))
	}
	if stride-s.TrendAt < trendSteps && s.hasTrend() {
		return
	}
	if len(s.Leads) != len(w.leads) {
		s.Leads = make([]leadState, len(w.leads))
	}
	for i := range w.leads {
		l := &w.leads[i]
		value := l.Direction.End(figures[l.Figure])
		if math.IsNaN(value) {
			continue
		}
		s.TrendAt = stride
		s.Leads[i].Trend = pushBounded(s.Leads[i].Trend, figureAt{now.Unix(), value}, trendPoints)
	}
}

func (s *windowState) hasTrend() bool {
	return slices.ContainsFunc(s.Leads, func(l leadState) bool { return len(l.Trend) > 0 })
}
