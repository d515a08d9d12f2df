package window

import (
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// State is what one key of a window rule remembers. The zero State has seen no call.
type State struct {
	Buckets *buckets    `json:"buckets"`
	Recent  []call.Key  `json:"recent,omitempty"`  // latest calls counted
	Leads   []leadState `json:"leads,omitempty"`   // by the lead's place in the rule
	TrendAt int64       `json:"trendAt,omitempty"` // stride at the last point of the trends
	Last    *lastCalls  `json:"last,omitempty"`    // of windows over calls
	Past    *history    `json:"past,omitempty"`    // of windows of which earlier ones are asked for

	Sessions *sessions `json:"sessions,omitempty"` // of windows that count sessions
}

// Point is a point of a trend.
type Point struct {
	At    int64   `json:"t"` // seconds since 1970
	Value float64 `json:"v"`
}

const (
	recentCalls = 8
	trendPoints = 12
	trendSteps  = 3 // buckets between two points; of a window over calls, thirtieths of it
)

// New is a state that has seen no call by a time.
func New(w *Spec, now time.Time) *State {
	if w.Calls > 0 {
		return &State{Buckets: newBuckets(&w.shape, 0), Last: &lastCalls{}}
	}
	s := &State{Buckets: newBuckets(&w.shape, w.shape.at(now))}
	if w.Sessions {
		s.Sessions = &sessions{From: s.Buckets.Head}
	}
	if w.shape.past.size > 0 {
		s.Past = newHistory(&w.shape, s.Buckets.Head)
	}
	return s
}

// Added is how a call was counted.
type Added struct {
	Place int64     // number of its bucket or, of a window over calls, its own
	Was   []Reading // what the legs of its session said together that were counted before; nil for none
	Is    []Reading // what the call says or, with them, its session
}

// Add counts a call that was over at a time, as a leg of a session where that is not 0.
// One that settles when the window has left that time behind counts when it settles.
func (s *State) Add(w *Spec, session uint64, at, now time.Time, readings []Reading) Added {
	if w.Calls > 0 {
		s.Last.take(w, s.Buckets, readings)
		return Added{Place: s.Last.Total, Is: readings}
	}
	shape := &w.shape
	head := shape.at(now)
	s.advance(w, head)
	number := head
	if at.Before(now) { // clocks of providers run ahead
		number = shape.at(at)
	}
	if number <= head-int64(shape.steps) {
		number = head
	}
	if session != 0 {
		return s.Sessions.add(w, s.Buckets, session, number, readings)
	}
	s.Buckets.add(w, number, readings)
	return Added{Place: number, Is: readings}
}

// Advance moves the window on to a time. One over calls does not move with time.
func (s *State) Advance(w *Spec, now time.Time) {
	if w.Calls == 0 {
		s.advance(w, w.shape.at(now))
	}
}

// Empty reports whether the window, and those before it that are asked for, have no call.
func (s *State) Empty(w *Spec) bool {
	return s.Buckets.empty(&w.shape) && s.Past.empty(w, s.Buckets.Head)
}

// Reaches reports whether calls that counted at a time are in the window still. One over
// calls has no such time.
func (s *State) Reaches(w *Spec, at time.Time) bool {
	return w.Calls > 0 || w.shape.at(at) > s.Buckets.Head-int64(w.shape.steps)
}

// Next is when time alone makes the window another one; zero for a window over calls.
func (s *State) Next(w *Spec) time.Time {
	if w.Calls > 0 {
		return time.Time{}
	}
	if s.Past != nil && s.Buckets.empty(&w.shape) {
		step := w.shape.past.step
		return w.shape.end((floorDiv(s.Buckets.Head, step)+1)*step - 1)
	}
	return w.shape.end(s.Buckets.Head)
}

// Full reports whether a window over calls has seen all the calls that it is about.
func (s *State) Full(w *Spec) bool { return s.Last.watched(w) }

// maxNumber bounds the numbers of buckets and calls: no window gets that far.
const maxNumber = 1 << 60

// Fits reports whether a state that was read from a checkpoint, which may be damaged, is
// one of w.
func (s *State) Fits(w *Spec) bool {
	sh, b := &w.shape, s.Buckets
	return b != nil && b.Head >= -maxNumber && b.Head <= maxNumber &&
		len(b.Counts) == sh.ring*sh.counts && len(b.Sums) == sh.ring*sh.sums && len(b.Sketches) == sh.ring*sh.sketches &&
		len(b.Sets) == sh.sets && !slices.ContainsFunc(b.Sets, func(d distinctValues) bool { return !d.fits(sh.ring) }) &&
		s.Past.fits(w) && s.Sessions.fits(w) && (s.Last != nil) == (w.Calls > 0) && (s.Last == nil || s.Last.fits(w)) && (len(s.Leads) == 0 || len(s.Leads) == len(w.Leads))
}

// Remember notes the call as one of the latest.
func (s *State) Remember(k call.Key) {
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

// Follow adds a point to the trends, one for every third bucket. A bounded figure
// is shown by the end that decides.
func (s *State) Follow(w *Spec, figures []condition.Bounds, now time.Time) {
	stride := s.Buckets.Head
	if s.Last != nil {
		stride = s.Last.Total / int64(max(w.Calls/windowSteps, 1))
	}
	if stride-s.TrendAt < trendSteps && s.hasTrend() {
		return
	}
	s.makeLeads(w)
	for i := range w.Leads {
		l := &w.Leads[i]
		value := l.Direction.End(figures[l.Figure])
		if math.IsNaN(value) {
			continue
		}
		s.TrendAt = stride
		s.Leads[i].Trend = pushBounded(s.Leads[i].Trend, Point{now.Unix(), value}, trendPoints)
	}
}

// Trend are the latest values of a lead's figure, oldest first.
func (s *State) Trend(lead int) []Point {
	if s == nil || lead >= len(s.Leads) {
		return nil
	}
	return s.Leads[lead].Trend
}

func (s *State) hasTrend() bool {
	return slices.ContainsFunc(s.Leads, func(l leadState) bool { return len(l.Trend) > 0 })
}

func (s *State) makeLeads(w *Spec) {
	if len(s.Leads) != len(w.Leads) {
		s.Leads = make([]leadState, len(w.Leads))
	}
}

// Blame remembers a call for the leads of which it is evidence, and returns what they
// make of it together. The call is loaded in facts and was added at a place; kept
// reports whether the details of a call are still kept.
func (s *State) Blame(w *Spec, key call.Key, place int64, readings []Reading, facts *condition.Facts, kept func(call.Key) bool) (total Contribution) {
	if len(w.Leads) == 0 {
		return Contribution{true, true, true}
	}
	s.makeLeads(w)
	left := s.Buckets.Head - int64(w.shape.steps)
	if s.Last != nil {
		left = s.Last.Total - int64(w.Calls)
	}
	stays := func(b blamed) bool { return b.At > left && kept(b.Key) }
	for i := range w.Leads {
		l := &w.Leads[i]
		p := l.Contribution(readings)
		total = Contribution{total.Measured || p.Measured, total.Judged || p.Judged, total.Met || p.Met}
		if p.Met && l.ranks() {
			s.Leads[i].blame(l, blamed{key, l.rank(&readings[l.Arg], facts), place}, stays)
		}
	}
	return total
}

// Candidates are the calls that a lead may show as its evidence, each once: the worst,
// the latest ones that are evidence, and the latest of all.
func (s *State) Candidates(lead int) []call.Key {
	var keys []call.Key
	add := func(key call.Key) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if lead < len(s.Leads) {
		for _, b := range s.Leads[lead].Worst {
			add(b.Key)
		}
		for _, key := range s.Leads[lead].Latest {
			add(key)
		}
	}
	for _, key := range s.Recent {
		add(key)
	}
	return keys
}
