package condition

import (
	"cmp"
	"slices"
	"strings"
)

// Direction is the side to which a figure of a window makes a rule fire.
type Direction int8

const (
	Down      Direction = -1 // small values do
	Undecided Direction = 0  // neither side alone does
	Up        Direction = 1  // large values do
)

// Lead is a figure that a program compares: what an incident is described by, and
// where the calls that are its evidence are found.
type Lead struct {
	Figure    int // place in Figures.All
	Direction Direction

	// Limit is the number that the figure itself is compared with, where Limited.
	Limit   Limit
	Limited bool

	// Quotient is the comparison, as leaves name it, where it is one of a quotient of the
	// figure and another of the same window; Share where it is just that.
	Quotient string
	Share    bool

	leaf    *node
	negated bool
}

// Leads are the figures that the comparisons of a program are about, each with a
// direction once, in source order: those with an argument first, then the number of
// calls, then figures of the window before. A comparison of several is about the first
// that is of the window itself and whose direction is known.
func (p *Program) Leads() []Lead {
	var leads []Lead
	p.root.leaves(false, func(n *node, negated bool) {
		l, ok := n.lead(negated)
		if ok && !slices.ContainsFunc(leads, func(o Lead) bool { return o.Figure == l.Figure && o.Direction == l.Direction }) {
			leads = append(leads, l)
		}
	})
	slices.SortStableFunc(leads, func(a, b Lead) int { return cmp.Compare(a.order(), b.order()) })
	return leads
}

// Holds reports whether the lead's comparison is true of the figures loaded.
func (l *Lead) Holds(facts *Facts) bool {
	f := frame{facts: facts, steps: maxSteps}
	v := l.leaf.judge(&f)
	if l.negated {
		v = v.not()
	}
	return v == yes
}

// End is the end of the bounds that decides: the lower one where large values
// fire, else the upper one.
func (d Direction) End(b Bounds) float64 {
	if d == Down {
		return b.High
	}
	return b.Low
}

// lead is the figure that one comparison is about.
func (n *node) lead(negated bool) (Lead, bool) {
	l := Lead{Figure: -1, leaf: n, negated: negated}
	rank := 0
	n.each(func(m *node) {
		if m.op != opFigure {
			return
		}
		d, r := n.direction(m.slot, negated), 1
		if d != Undecided {
			r = 2
		}
		if !strings.HasPrefix(m.key, "prev(") {
			r += 2
		}
		if r > rank {
			l.Figure, l.Direction, rank = m.slot, d, r
		}
	})
	if limit, ok := n.limitOf(); ok && limit.slot == l.Figure && l.Figure >= 0 {
		if negated {
			limit.op = limit.op.inverse()
			limit.Op = limit.op.symbol()
		}
		l.Limit, l.Limited = limit, true
	}
	if l.Figure >= 0 {
		l.Quotient, l.Share = n.quotientOf(l.Figure, negated)
	}
	return l, l.Figure >= 0
}

// quotientOf is the comparison where what it compares divides a figure, and whether it is
// nothing but the quotient of two.
func (n *node) quotientOf(slot int, negated bool) (leaf string, share bool) {
	if !n.comparison() {
		return "", false
	}
	met := n.args[0]
	if met.isLiteral() {
		met = n.args[1]
	}
	divided := false
	met.each(func(m *node) { divided = divided || m.op == opFigure && m.slot == slot && m.share })
	if !divided {
		return "", false
	}
	p := printer{}
	p.leaf(n, negated)
	quotient := met.op == opDivide || met.op == opRatio
	return p.String(), quotient && met.args[0].op == opFigure && met.args[1].op == opFigure
}

// order puts the figures that say most of single calls first: those with an
// argument, then the number of calls, then those of the window before.
func (l *Lead) order() int {
	name := ""
	l.leaf.each(func(n *node) {
		if n.op == opFigure && n.slot == l.Figure {
			name = n.key
		}
	})
	switch {
	case strings.HasPrefix(name, "prev("):
		return 2
	case name == "calls":
		return 1
	default:
		return 0
	}
}

// direction is the side to which a figure makes a comparison true.
func (n *node) direction(slot int, negated bool) Direction {
	if !n.comparison() {
		return Undecided
	}
	o := n.op
	if negated {
		o = o.inverse()
	}
	sign := n.args[0].sign(slot) - n.args[1].sign(slot)
	if sign == 0 || n.args[0].sign(slot) == mixed || n.args[1].sign(slot) == mixed {
		return Undecided
	}
	d := Up
	if sign < 0 {
		d = Down
	}
	switch o {
	case opGreater, opGreaterEqual:
		return d
	case opLess, opLessEqual:
		return -d
	}
	return n.equalDirection(slot, o)
}

// equalDirection is that of a figure compared with the least or greatest value it
// can have: `count(answered) == 0` is about a small one.
func (n *node) equalDirection(slot int, o op) Direction {
	a, b := n.args[0], n.args[1]
	if a.isLiteral() {
		a, b = b, a
	}
	if a.op != opFigure || a.slot != slot || !b.isLiteral() || a.field == nil {
		return Undecided
	}
	d := Undecided
	switch {
	case a.field.Min != nil && b.val.num == *a.field.Min:
		d = Down
	case a.field.Max != nil && b.val.num == *a.field.Max:
		d = Up
	}
	if o == opNotEqual {
		d = -d
	}
	return d
}

// mixed is the sign of a figure on which a value depends to no one side.
const mixed = 2

// sign tells how a value depends on a figure: 1 where it grows with it, -1 where
// it falls, 0 where it does not depend on it, else mixed.
func (n *node) sign(slot int) int {
	switch n.op {
	case opFigure:
		if n.slot == slot {
			return 1
		}
		return 0
	case opNegate:
		return flip(n.args[0].sign(slot))
	case opRound, opFloor, opCeil, opInt, opFloat:
		return n.args[0].sign(slot)
	case opAdd, opMin, opMax, opCoalesce:
		return joinSigns(n.args, slot)
	case opSubtract:
		return joinSign(n.args[0].sign(slot), flip(n.args[1].sign(slot)))
	case opMultiply:
		return joinSign(scaled(n.args[0].sign(slot), n.args[1]), scaled(n.args[1].sign(slot), n.args[0]))
	case opDivide, opRatio:
		return joinSign(scaled(n.args[0].sign(slot), n.args[1]), flip(scaled(n.args[1].sign(slot), n.args[0])))
	case opPower:
		if n.args[0].notNegative() && n.args[1].isLiteral() {
			return scaled(n.args[0].sign(slot), n.args[1])
		}
	case opAbs:
		if n.args[0].notNegative() {
			return n.args[0].sign(slot)
		}
	case opConditional:
		if n.args[0].mentions(slot) {
			return mixed
		}
		return joinSigns(n.args[1:], slot)
	}
	if n.mentions(slot) {
		return mixed
	}
	return 0
}

func (n *node) mentions(slot int) bool {
	found := false
	n.each(func(m *node) { found = found || m.op == opFigure && m.slot == slot })
	return found
}

func flip(sign int) int {
	if sign == mixed {
		return mixed
	}
	return -sign
}

func joinSign(a, b int) int {
	switch {
	case a == 0:
		return b
	case b == 0 || a == b:
		return a
	default:
		return mixed
	}
}

func joinSigns(args []*node, slot int) int {
	sign := 0
	for _, a := range args {
		sign = joinSign(sign, a.sign(slot))
	}
	return sign
}

// scaled is a sign after multiplication by a value.
func scaled(sign int, by *node) int {
	switch {
	case sign == 0:
		return 0
	case by.notNegative():
		return sign
	case by.isLiteral():
		return flip(sign)
	case by.op == opNegate && by.args[0].notNegative():
		return flip(sign)
	default:
		return mixed
	}
}

// notNegative reports whether a value of window figures is never below 0.
func (n *node) notNegative() bool {
	switch n.op {
	case opLiteral:
		return n.val.kind == number && n.val.num >= 0
	case opFigure:
		return n.field != nil && n.field.Min != nil && *n.field.Min >= 0
	case opAbs, opLen, opCount, opLongest:
		return true
	case opAdd, opMultiply, opDivide, opMin, opMax, opRound, opFloor, opCeil, opInt, opFloat, opCoalesce:
		for _, a := range n.args {
			if !a.notNegative() {
				return false
			}
		}
		return true
	case opRatio:
		return n.args[0].notNegative() // the other is above 0
	case opPower:
		return n.args[0].notNegative()
	}
	return false
}

// Not is the program that holds where p does not.
func (p *Program) Not() *Program {
	if p.root.op == opNot {
		return programOf(p.root.args[0], p.zone)
	}
	return programOf(&node{op: opNot, args: []*node{p.root}, typ: typ{kind: boolean}, loc: p.root.loc}, p.zone)
}
