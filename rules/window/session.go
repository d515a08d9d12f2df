package window

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"callwatch/call"
	"callwatch/rules/condition"
)

// maxSessions bounds the sessions of one key that a further leg can join: at least half
// as many that began last.
const maxSessions = 4096

// sessions are those of one key that a further leg can join. Each is counted in one
// bucket, that of the leg that was counted first, for as long as that is in the window.
// They are in two generations, of which the older is dropped as a whole.
type sessions struct {
	Latest map[uint64]session `json:"latest,omitempty"`
	Older  map[uint64]session `json:"older,omitempty"`
	From   int64              `json:"from"` // newest bucket when the latest generation began
}

type session struct {
	At   int64  `json:"at"`             // number of the bucket
	Said []byte `json:"said,omitempty"` // by its legs together: a row, as of windows over calls
}

// SessionOf tells the sessions of a window apart; 0 for a call that counts for itself.
func (w *Spec) SessionOf(e *call.Event) uint64 {
	if !w.Sessions || e.SessionID == "" {
		return 0
	}
	return max(xxhash.Sum64String(e.Source()+"\x00"+e.SessionID), 1)
}

// add counts a leg: as a session of its own in the bucket of a number, or in its session.
func (t *sessions) add(w *Spec, b *buckets, of uint64, number int64, leg []Reading) Added {
	oldest := b.Head - int64(w.shape.steps) + 1
	for _, kept := range []map[uint64]session{t.Latest, t.Older} {
		known, ok := kept[of]
		if !ok || known.At < oldest {
			continue
		}
		was := w.shape.readRow(known.Said, make([]Reading, 0, len(leg)))
		is := w.merge(was, leg)
		b.join(w, known.At, leg, was, is)
		if !slices.Equal(was, is) {
			known.Said = w.shape.appendRow(known.Said[:0], is)
			kept[of] = known
		}
		return Added{known.At, was, is}
	}
	if len(t.Latest) >= maxSessions/2 || t.From < oldest {
		t.Older, t.Latest, t.From = t.Latest, nil, b.Head
	}
	if t.Latest == nil {
		t.Latest = map[uint64]session{}
	}
	t.Latest[of] = session{number, w.shape.appendRow(make([]byte, 0, w.shape.rowSize()), leg)}
	b.add(w, number, leg)
	return Added{Place: number, Is: leg}
}

// merge is what a session says with a further leg. A condition holds of it if it holds
// of any leg, and does not hold if it does so of none; a value is that of the worst leg.
func (w *Spec) merge(was, leg []Reading) []Reading {
	is := slices.Clone(was)
	for i, r := range leg {
		m := &is[i]
		switch {
		case w.Figures.Args[i].Cond:
			m.class = mergeClasses(m.class, r.class)
			m.known = m.class == condition.Matching || m.class == condition.Clear
		case !r.known:
		case !m.known || (r.number > m.number) == (w.worst[i] != condition.Down):
			m.known, m.number = true, r.number
		}
	}
	return is
}

func mergeClasses(a, b condition.Class) condition.Class {
	switch {
	case a == condition.Matching || b == condition.Matching:
		return condition.Matching
	case a == b:
		return a
	default:
		return condition.Partial
	}
}

// worstOf is the side of each argument on which a leg counts for its session: the one
// to which the first lead of it fires.
func worstOf(w *Spec) []condition.Direction {
	worst := make([]condition.Direction, len(w.Figures.Args))
	for i := range worst {
		for j := range w.Leads {
			if l := &w.Leads[j]; l.Arg == i && worst[i] == condition.Undecided {
				worst[i] = l.Direction
			}
		}
	}
	return worst
}

// fits reports whether sessions that were read from a checkpoint are those of w.
func (t *sessions) fits(w *Spec) bool {
	if t == nil || !w.Sessions {
		return t == nil && !w.Sessions
	}
	for _, kept := range []map[uint64]session{t.Latest, t.Older} {
		if len(kept) > maxSessions/2 {
			return false
		}
		for _, s := range kept {
			if s.At < -maxNumber || s.At > maxNumber || len(s.Said) != w.shape.rowSize() {
				return false
			}
		}
	}
	return t.From >= -maxNumber && t.From <= maxNumber
}
