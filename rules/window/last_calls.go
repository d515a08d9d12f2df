package window

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"

	"callwatch/rules/condition"
)

// maxAddedUp is up to how many calls a window over calls is added up again with
// every call. A larger one is with every second call, every third, and so on;
// numbers of calls need no adding up: see lastCalls.slide.
const maxAddedUp = 1000

// lastCalls are what the latest calls of a window over calls said, so that the
// window holds exactly its last N: a ring of rows, one a call, each of the same
// size. Where the window before is asked for, twice as many are kept.
type lastCalls struct {
	Total int64  `json:"total"` // calls ever counted
	Rows  []byte `json:"rows,omitempty"`
}

const (
	rowKnown = 1 << iota
	rowClass // of a condition: two bits
)

// rowSize is how many bytes one call takes.
func (s *shape) rowSize() int {
	n := 0
	for i := range s.args {
		n++
		if s.args[i].numeric() {
			n += 8
		}
		if s.args[i].set >= 0 {
			n += 8
		}
	}
	return n
}

// numeric reports whether the argument's numbers are kept.
func (a *argShape) numeric() bool {
	return a.sum >= 0 || a.sessions >= 0 || a.low >= 0 || a.high >= 0 || a.sketch >= 0
}

// appendRow writes what a call said. Texts are written as hashes: they are only
// told apart.
func (s *shape) appendRow(b []byte, readings []Reading) []byte {
	for i, r := range readings {
		flags := byte(0)
		if r.known {
			flags |= rowKnown
		}
		b = append(b, flags+rowClass*byte(r.class))
		if s.args[i].numeric() {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(r.number))
		}
		if s.args[i].set >= 0 {
			b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64String(r.text))
		}
	}
	return b
}

// readRow reads what appendRow wrote.
func (s *shape) readRow(b []byte, readings []Reading) []Reading {
	for i := range s.args {
		r := Reading{known: b[0]&rowKnown != 0, class: condition.Class(b[0] / rowClass & 3)}
		b = b[1:]
		if s.args[i].numeric() {
			r.number, b = math.Float64frombits(binary.LittleEndian.Uint64(b)), b[8:]
		}
		if s.args[i].set >= 0 {
			r.text, b = string(b[:8]), b[8:]
		}
		readings = append(readings, r)
	}
	return readings
}

// take counts one call, and brings the buckets up to date.
func (l *lastCalls) take(w *Spec, b *buckets, readings []Reading) {
	if s := &w.shape; s.sums == 0 && s.sketches == 0 && s.sets == 0 {
		l.slide(w, b, readings)
		l.add(w, readings)
		return
	}
	if l.add(w, readings); l.Total%l.step(w) == 0 {
		l.fill(w, b)
	}
}

// slide counts one call in buckets that have nothing but numbers of calls: it takes
// away the call that leaves the window.
func (l *lastCalls) slide(w *Spec, b *buckets, readings []Reading) {
	s, size := &w.shape, w.shape.rowSize()
	b.add(w, b.Head, readings)
	for back := range int64(s.ring) { // the window, then the one before
		age := (back + 1) * int64(w.Calls)
		if l.Total < age {
			return
		}
		var left []Reading
		if size > 0 {
			at := int((l.Total-age)%int64(w.Calls*s.ring)) * size
			left = s.readRow(l.Rows[at:at+size], nil)
		}
		one := newBuckets(s, b.Head)
		one.add(w, b.Head, left)
		now, before := s.place(b.Head-back), s.place(b.Head-back-1)
		for i, n := range one.Counts[s.place(b.Head)*s.counts:][:s.counts] {
			b.Counts[now*s.counts+i] -= n
			if back+1 < int64(s.ring) {
				b.Counts[before*s.counts+i] += n
			}
		}
	}
}

// add takes in the row of one call.
func (l *lastCalls) add(w *Spec, readings []Reading) {
	size, most := w.shape.rowSize(), int64(w.Calls*w.shape.ring)
	if size > 0 && l.Total < most {
		l.Rows = w.shape.appendRow(l.Rows, readings)
	} else if size > 0 {
		at := int(l.Total%most) * size
		w.shape.appendRow(l.Rows[at:at], readings)
	}
	l.Total++
}

// fits reports whether there are as many rows as calls: a checkpoint may be damaged.
func (l *lastCalls) fits(w *Spec) bool {
	return l.Total >= 0 && l.Total <= maxNumber && int64(len(l.Rows)) == int64(w.shape.rowSize())*min(l.Total, int64(w.Calls*w.shape.ring))
}

// step is how many calls come between two times at which the window is added up.
func (l *lastCalls) step(w *Spec) int64 {
	return int64((w.Calls + maxAddedUp - 1) / maxAddedUp)
}

// fill makes the newest bucket hold the last N calls, and the one before the N
// before those, if the ring has one.
func (l *lastCalls) fill(w *Spec, b *buckets) {
	s := &w.shape
	b.advance(s, b.Head+int64(s.ring)) // empties them
	size, most := s.rowSize(), int64(w.Calls*s.ring)
	var readings []Reading
	for age := min(l.Total, most); age > 0; age-- {
		number := b.Head
		if age > int64(w.Calls) {
			number--
		}
		readings = readings[:0]
		if size > 0 {
			at := int((l.Total-age)%most) * size
			readings = s.readRow(l.Rows[at:at+size], readings)
		}
		b.add(w, number, readings)
	}
}

// watched reports whether the window has seen all the calls that it is about.
func (l *lastCalls) watched(w *Spec) bool { return l.Total >= int64(w.Calls) }
