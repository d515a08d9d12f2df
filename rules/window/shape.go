package window

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"callwatch/rules/condition"
)

// A window slides in steps of about a thirtieth of its length, a twentieth where
// the window before is kept as well: calls are added up in buckets of that length,
// so that what a key takes does not grow with its calls.
const (
	windowSteps     = 30
	windowStepsPrev = 20
)

// shape is how the figures of a rule are kept: the same for all of its keys.
type shape struct {
	steps    int           // buckets of one window
	ring     int           // buckets kept: twice as many where prev is asked for
	width    time.Duration // of a bucket; 0 of a window over calls
	counts   int           // per bucket
	sums     int           // per bucket
	sketches int           // per bucket
	sets     int           // per key
	args     []argShape
	past     pastShape
	digest   string // of all that the numbers of a checkpoint depend on
}

// argShape says where the numbers of one argument are; -1 for nowhere.
type argShape struct {
	known, met     int // in counts: calls for which it is known, calls that meet the condition
	partial        int // in counts: calls of which the condition is unknown, but not all of its comparisons
	sum, low, high int // in sums
	sessions       int // in sums: what avg adds up, where that is not the sum over all legs
	sketch, set    int
}

func shapeOf(w *Spec) shape {
	s := shape{counts: 1}
	prev := slices.ContainsFunc(w.Figures.All, func(f condition.Figure) bool { return f.Prev && f.Ago == 0 })
	steps := windowSteps
	if prev {
		steps = windowStepsPrev
	}
	if w.Calls > 0 {
		s.steps = 1 // added up from single calls: see lastCalls
	} else {
		s.width = max((w.Over/time.Duration(steps) + time.Second - 1).Truncate(time.Second), time.Second)
		s.steps = int((w.Over + s.width - 1) / s.width)
	}
	if s.ring = s.steps; prev {
		s.ring = 2 * s.steps
	}
	s.past = pastShapeOf(w, s.width)
	take := func(place, n *int) {
		if *place < 0 {
			*place = *n
			*n++
		}
	}
	for _, arg := range w.Figures.Args {
		a := argShape{-1, -1, -1, -1, -1, -1, -1, -1, -1}
		take(&a.known, &s.counts)
		if arg.Cond {
			take(&a.met, &s.counts)
			take(&a.partial, &s.counts)
		}
		s.args = append(s.args, a)
	}
	text := []string{fmt.Sprint(w.Over, w.Calls)}
	if w.Sessions {
		text = append(text, "sessions")
	}
	for _, f := range w.Figures.All {
		text = append(text, f.Name)
		if f.Arg < 0 {
			continue
		}
		switch a := &s.args[f.Arg]; f.Func {
		case "count", "rate":
		case "sum":
			take(&a.sum, &s.sums)
		case "avg":
			if w.Sessions {
				take(&a.sessions, &s.sums)
			} else {
				take(&a.sum, &s.sums)
			}
		case "min":
			take(&a.low, &s.sums)
		case "max":
			take(&a.high, &s.sums)
		case "distinct":
			take(&a.set, &s.sets)
		default:
			take(&a.sketch, &s.sketches)
		}
	}
	for _, a := range w.Figures.Args {
		if zone := a.Zone(); zone != "" {
			text = append(text, "zone "+zone)
		}
	}
	for i := range w.Leads {
		l := &w.Leads[i]
		if l.beyond = -1; l.Limits() {
			take(&l.beyond, &s.counts)
		}
		text = append(text, fmt.Sprint(l.Figure, l.Direction, l.Limit.Op, l.Limit.Number))
	}
	sum := sha256.Sum256([]byte(strings.Join(text, "\x00")))
	s.digest = hex.EncodeToString(sum[:8])
	return s
}

// at is the number of the bucket for a time.
func (s *shape) at(t time.Time) int64 {
	return floorDiv(t.UnixNano(), int64(s.width))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// end is when the bucket of a number is over.
func (s *shape) end(number int64) time.Time {
	return time.Unix(0, (number+1)*int64(s.width)).UTC()
}

func (s *shape) place(number int64) int {
	return int(number - floorDiv(number, int64(s.ring))*int64(s.ring))
}

// places are those of the window's buckets in the ring, oldest first.
func (s *shape) places(head int64, prev bool) func(func(int) bool) {
	if prev {
		head -= int64(s.steps)
	}
	return func(yield func(int) bool) {
		p := s.place(head - int64(s.steps) + 1)
		for range s.steps {
			if !yield(p) {
				return
			}
			if p++; p == s.ring {
				p = 0
			}
		}
	}
}
