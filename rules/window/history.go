package window

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"callwatch/rules/condition"
)

// maxRows bounds the rows of a history: what it takes does not grow with its length.
const maxRows = 2048

// pastShape is how the figures of earlier windows are kept, those that prev(f, 24h) asks
// for: a row of what the window said for every step of time, back as far as is asked.
// What a late call changes later is not in it, as it was not in the figure at that time.
type pastShape struct {
	step    int64 // buckets from one row to the next
	rows    int64 // kept
	size    int   // bytes of a row; 0: nothing is asked
	figures []pastFigure
}

// pastFigure is one figure of a row.
type pastFigure struct {
	condition.Figure
	at int // in the row
}

// rowCalls is the size of what each row begins with: the calls of the window and one
// more, 0 where the window was not watched for all of its time.
const rowCalls = 4

// share reports whether the figure is told by numbers of calls alone.
func (p *pastFigure) share() bool { return p.Func == "rate" || p.Func == "count" }

// size is how many bytes the figure takes: numbers of calls, or a value and the number
// of its calls.
func (p *pastFigure) size() int {
	if p.Func == "calls" {
		return 0
	}
	return 12
}

func pastShapeOf(w *Spec, width time.Duration) pastShape {
	var p pastShape
	ago := w.Ago()
	if ago == 0 || width == 0 {
		return p
	}
	buckets := int64((ago + width - 1) / width)
	p.step = max((buckets+maxRows-1)/maxRows, 1)
	p.rows = (buckets+p.step-1)/p.step + 2
	p.size = rowCalls
	for _, f := range w.Figures.All {
		if f.Ago == 0 || p.find(f) != nil {
			continue
		}
		one := pastFigure{f.Now(), p.size}
		p.size += one.size()
		p.figures = append(p.figures, one)
	}
	return p
}

func (p *pastShape) find(f condition.Figure) *pastFigure {
	i := slices.IndexFunc(p.figures, func(o pastFigure) bool { return o.Figure == f.Now() })
	if i < 0 {
		return nil
	}
	return &p.figures[i]
}

// history is what the windows of one key said at earlier times. Rows are numbered by
// when their window ended: row n at the end of step n of all time.
type history struct {
	First int64  `json:"first"` // number of the row that is first
	Count int64  `json:"count"` // rows since then, of which the latest are kept
	Rows  []byte `json:"rows,omitempty"`
	From  int64  `json:"from"` // bucket from which on calls were watched for without a break
	Busy  int64  `json:"busy"` // number of the latest row with a call
}

// newHistory begins in a bucket, of which a part was not watched.
func newHistory(s *shape, bucket int64) *history {
	return &history{First: floorDiv(bucket, s.past.step), From: bucket + 1, Busy: math.MinInt64}
}

// row is a row that is kept; nil for another.
func (h *history) row(s *shape, number int64) []byte {
	n := number - h.First
	if n < 0 || n >= h.Count || n < h.Count-s.past.rows {
		return nil
	}
	at := int(n%s.past.rows) * s.past.size
	return h.Rows[at : at+s.past.size]
}

// next is a new row behind the latest, number is what it should be: where time has
// made a leap beyond all rows that are kept, the history begins again.
func (h *history) next(s *shape, number int64) []byte {
	if number != h.First+h.Count {
		h.First, h.Count, h.Rows = number, 0, nil
	}
	if h.Count < s.past.rows {
		h.Rows = append(h.Rows, make([]byte, s.past.size)...)
	}
	h.Count++
	row := h.row(s, number)
	clear(row)
	return row
}

// advance moves the window on to a bucket, and writes down what it said on the way.
func (s *State) advance(w *Spec, head int64) {
	sh, past := &w.shape, &w.shape.past
	if past.size == 0 || head <= s.Buckets.Head {
		s.Buckets.advance(sh, head)
		return
	}
	// Rows that would not be kept are left out.
	first := max(floorDiv(s.Buckets.Head, past.step), floorDiv(head, past.step)-past.rows)
	for number := first; (number+1)*past.step <= head; number++ {
		s.Buckets.advance(sh, (number+1)*past.step-1)
		s.Past.write(w, s.Buckets, number)
	}
	s.Buckets.advance(sh, head)
}

// write writes down what a window says that ends with its newest bucket.
func (h *history) write(w *Spec, b *buckets, number int64) {
	sh := &w.shape
	row := h.next(sh, number)
	if b.Head-int64(sh.steps)+1 < h.From {
		return
	}
	var t totals
	t.addUp(sh, b)
	calls := t.now[0]
	if binary.LittleEndian.PutUint32(row, uint32(calls)+1); calls > 0 {
		h.Busy = number
	}
	var m merged
	for i := range sh.past.figures {
		f := &sh.past.figures[i]
		of := row[f.at:]
		switch got := b.measure(w, &f.Figure, &t, &m, 0); {
		case f.share():
			binary.LittleEndian.PutUint32(of, uint32(got.Measured))
			binary.LittleEndian.PutUint32(of[4:], uint32(got.Matching))
			binary.LittleEndian.PutUint32(of[8:], uint32(got.Partial))
		case f.Func != "calls":
			binary.LittleEndian.PutUint64(of, math.Float64bits(got.Low))
			binary.LittleEndian.PutUint32(of[8:], uint32(got.Measured))
		}
	}
}

// asOf is the number of the row that prev(f, ago) is read from while a bucket is the
// newest.
func (s *shape) asOf(head int64, ago time.Duration) int64 {
	back := (int64((ago+s.width-1)/s.width) + s.past.step - 1) / s.past.step
	return floorDiv(head, s.past.step) - back - 1
}

// measure is what a figure was so long ago. It is unknown where no history reaches.
func (h *history) measure(w *Spec, head int64, f *condition.Figure) Measure {
	nothing := Measure{Low: math.NaN(), High: math.NaN()}
	row := h.row(&w.shape, w.shape.asOf(head, f.Ago))
	if row == nil || binary.LittleEndian.Uint32(row) == 0 {
		return nothing
	}
	m := Measure{Calls: int(binary.LittleEndian.Uint32(row) - 1)}
	p := w.shape.past.find(*f)
	of := row[p.at:]
	figure := condition.Exact(float64(m.Calls))
	switch {
	case p.Func == "calls":
		m.Measured = m.Calls
	case p.share():
		m.Measured, m.Matching, m.Partial = int(binary.LittleEndian.Uint32(of)), int(binary.LittleEndian.Uint32(of[4:])), int(binary.LittleEndian.Uint32(of[8:]))
		figure = shareOf(p.Func, &m)
	default:
		m.Measured = int(binary.LittleEndian.Uint32(of[8:]))
		figure = condition.Exact(math.Float64frombits(binary.LittleEndian.Uint64(of)))
	}
	if m.Blind = m.Calls - m.Measured; m.Measured < w.MinCalls {
		figure = condition.Exact(math.NaN())
	}
	m.Low, m.High = figure.Low, figure.High
	return m
}

// shareOf is a share or number of calls by what is known of them.
func shareOf(function string, m *Measure) condition.Bounds {
	least, most := float64(m.Matching), float64(m.Matching+m.Partial)
	switch n := float64(m.Measured); {
	case m.Measured == 0 && (m.Calls > 0 || function == "rate"):
		return condition.Exact(math.NaN())
	case function == "rate":
		return condition.Bounds{Low: least / n, High: most / n}
	default:
		return condition.Bounds{Low: least, High: most}
	}
}

// empty reports whether no window that prev(f, 24h) can still ask for has a call.
func (h *history) empty(w *Spec, head int64) bool {
	return h == nil || h.Busy < w.shape.asOf(head, w.Ago())
}

// fits reports whether a history that was read from a checkpoint is one of w.
func (h *history) fits(w *Spec) bool {
	p := &w.shape.past
	if h == nil || p.size == 0 {
		return h == nil && p.size == 0
	}
	inRange := func(n int64) bool { return n >= -maxNumber && n <= maxNumber }
	return h.Count >= 0 && inRange(h.Count) && inRange(h.First) && inRange(h.From) &&
		int64(len(h.Rows)) == min(h.Count, p.rows)*int64(p.size)
}

// Ago is how far back the figures ask for earlier windows; 0 where they do not.
func (w *Spec) Ago() time.Duration {
	var ago time.Duration
	for i := range w.Figures.All {
		ago = max(ago, w.Figures.All[i].Ago)
	}
	return ago
}

// LeastAgo is the shortest time ago that the figures ask for; 0 for none.
func (w *Spec) LeastAgo() time.Duration {
	var least time.Duration
	for i := range w.Figures.All {
		if ago := w.Figures.All[i].Ago; ago > 0 && (least == 0 || ago < least) {
			least = ago
		}
	}
	return least
}

// LeastOver is the shortest window of which the history can be kept for as long as the
// figures ask: its rows must not be further apart than it is long.
func (w *Spec) LeastOver() time.Duration { return w.Ago() / maxRows }

// Unwatched notes that nobody watched for calls from one time to another.
func (s *State) Unwatched(w *Spec, from, to time.Time) {
	if s.Past == nil {
		return
	}
	s.Advance(w, from)
	s.Past.From = w.shape.at(to) + 1
}
