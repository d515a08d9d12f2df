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
	Name string // in its normalized form
	Func string // calls, count, rate, avg, min, max, sum, distinct, or p and a percentage: p95, p99.5
	Arg  int    // place in Args; -1 for calls
	Prev bool   // of the window before
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

// LoadFigures takes the figures of a window, in the order of Figures.All, in
// place of the facts of a call. It keeps the slice.
func (f *Facts) LoadFigures(figures []Bounds) {
	f.event, f.figures = nil, figures
}
