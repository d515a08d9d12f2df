package condition

import (
	"slices"
	"time"
)

// Figures are what the expressions of one rule ask of its window: the calls to
// window functions, lifted out of their syntax trees. Expressions compiled with
// the same Figures share them.
type Figures struct {
	All  []Figure
	Args []*Argument // programs about single calls
}

// Figure is one number told of a window, e.g. `rate(mos < 3.5)`.
type Figure struct {
	Name string        // in its normalized form
	Func string        // calls, count, rate, avg, min, max, sum, distinct, or p and a percentage: p95, p99.5
	Arg  int           // place in Args; -1 for calls
	Prev bool          // of the window before, or of that so long ago
	Ago  time.Duration // 0: the window before
}

// Now is the figure of the window itself.
func (f Figure) Now() Figure {
	return Figure{Func: f.Func, Arg: f.Arg}
}

// Share says whether the figure is a share of 0..1.
func (f *Figure) Share() bool { return f.Func == "rate" }

// Argument is what a window function asks of each call.
type Argument struct {
	Text string // in its normalized form
	Cond bool   // a condition; otherwise a value
	Many bool   // distinct counts its values; otherwise it is a number
	root *node
	zone *time.Location // of hour and weekday; nil: UTC
}

// Fields are the names of the fields the argument reads, in source order.
func (a *Argument) Fields() []string {
	var names []string
	a.root.each(func(n *node) {
		if n.op == opField && !slices.Contains(names, n.field.Name) {
			names = append(names, n.field.Name)
		}
	})
	return names
}

// Number is the value for a call; false where it is unknown.
func (a *Argument) Number(facts *Facts) (float64, bool, error) {
	f := frame{facts: facts, zone: a.zone, steps: maxSteps}
	v := a.root.eval(&f)
	if v.kind == failed {
		return 0, false, f.err
	}
	v = v.number()
	return v.num, v.kind == number, nil
}

// Value is the value for a call as it is told apart from others; false where it
// is unknown.
func (a *Argument) Value(facts *Facts) (string, bool, error) {
	f := frame{facts: facts, zone: a.zone, steps: maxSteps}
	switch v := a.root.eval(&f); v.kind {
	case failed:
		return "", false, f.err
	case text:
		return v.text, true, nil
	case number, boolean, instant:
		return v.show(-1), true, nil
	default:
		return "", false, nil
	}
}

// Program is the argument as a program of its own, to explain single calls with;
// nil where it is no condition.
func (a *Argument) Program() *Program {
	if !a.Cond {
		return nil
	}
	return programOf(a.root, a.zone)
}

// Figures are the places of the figures the program reads, in source order.
func (p *Program) Figures() []int {
	var slots []int
	p.root.each(func(n *node) {
		if n.op == opFigure && !slices.Contains(slots, n.slot) {
			slots = append(slots, n.slot)
		}
	})
	return slots
}

// Divides reports whether the program divides one figure of the window by another, as in
// count(a) / calls, where ratio would name the least that there must be.
func (p *Program) Divides() bool {
	found := false
	p.root.each(func(n *node) {
		if n.op == opDivide {
			n.each(func(m *node) { found = found || m.share })
		}
	})
	return found
}

// LoadFigures takes the figures of a window, in the order of Figures.All, in
// place of the facts of a call. It keeps the slice.
func (f *Facts) LoadFigures(figures []Bounds) {
	f.event, f.figures, f.further, f.tables, f.labels = nil, figures, figures, f.tables[:0], nil
}

// LoadFurther is LoadFigures with the figures as they may be with further calls. Those
// that are parts of a share are read as they are: both parts of it grow.
func (f *Facts) LoadFurther(figures, further []Bounds) {
	f.LoadFigures(figures)
	f.further = further
}

// aLot is more than any number or total of calls.
const aLot = 1 << 50

// Further is what the figures of a window may be with any number of further calls:
// numbers and totals are then larger, extremes further out. Shares, means and
// percentiles are what they are of the calls so far.
func (fs *Figures) Further(figures []Bounds) []Bounds {
	further := slices.Clone(figures)
	for i, f := range fs.All {
		b := &further[i]
		if f.Prev || !b.Known() {
			continue
		}
		switch f.Func {
		case "calls", "count", "distinct":
			b.High = aLot
		case "sum":
			if b.High = aLot; fs.Args[f.Arg].below0() {
				b.Low = -aLot
			}
		case "max":
			b.High = aLot
		case "min":
			b.Low = -aLot
		}
	}
	return further
}

// below0 reports whether the value is of a field that can be less than 0.
func (a *Argument) below0() bool {
	return a.root.field != nil && a.root.field.Min != nil && *a.root.field.Min < 0
}

// markShare marks the figures of x / y where both are about the calls of the window
// itself, as in count(a) / calls: with further calls both grow.
func markShare(x, y *node, all []Figure) {
	var parts []*node
	for _, side := range []*node{x, y} {
		before := len(parts)
		own := true
		side.each(func(n *node) {
			if n.op == opFigure {
				parts, own = append(parts, n), own && !all[n.slot].Prev
			}
		})
		if !own || len(parts) == before {
			return
		}
	}
	for _, n := range parts {
		n.share = true
	}
}
