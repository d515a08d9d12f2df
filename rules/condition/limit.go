package condition

// Limit is what a single comparison with a number says; false for any other
// program.
type Limit struct {
	Of     string // what is compared, in its normalized form
	Op     string // < <= > >= == !=
	Number float64
	op     op
	slot   int // of a figure, else -1
}

// Limit of a program that is one comparison with a number written out.
func (p *Program) Limit() (Limit, bool) { return p.root.limitOf() }

func (n *node) limitOf() (Limit, bool) {
	if !n.comparison() {
		return Limit{}, false
	}
	o, a, b := n.op, n.args[0], n.args[1]
	if a.isLiteral() {
		o, a, b = o.mirror(), b, a
	}
	if !b.isLiteral() || b.typ.kind != number {
		return Limit{}, false
	}
	l := Limit{Of: a.String(), Op: o.symbol(), Number: b.val.num, op: o, slot: -1}
	if a.op == opFigure {
		l.slot = a.slot
	}
	return l, true
}

// Holds says whether a number is beyond the limit.
func (l Limit) Holds(v float64) bool {
	a, b := ofNumber(v), ofNumber(l.Number)
	c, _ := order(&a, &b)
	return l.op.holds(c)
}

// Below says whether the limit is met by small numbers.
func (l Limit) Below() bool { return l.op == opLess || l.op == opLessEqual }

// Implies says whether a number beyond limit l is always beyond o as well.
func (l Limit) Implies(o Limit) bool {
	if l.Of != o.Of {
		return false
	}
	switch {
	case l.Below() && o.Below():
		return l.Number < o.Number || l.Number == o.Number && (l.op == o.op || l.op == opLess)
	case l.above() && o.above():
		return l.Number > o.Number || l.Number == o.Number && (l.op == o.op || l.op == opGreater)
	case l.op == opEqual:
		return o.Holds(l.Number)
	}
	return false
}

// Excludes says whether no number is beyond both limits.
func (l Limit) Excludes(o Limit) bool {
	if l.Of != o.Of {
		return false
	}
	if o.op == opEqual {
		l, o = o, l
	}
	switch {
	case l.op == opEqual:
		return !o.Holds(l.Number)
	case l.Below() && o.above():
		return l.Number < o.Number || l.Number == o.Number && (l.op == opLess || o.op == opGreater)
	case l.above() && o.Below():
		return o.Excludes(l)
	}
	return false
}

func (l Limit) above() bool { return l.op == opGreater || l.op == opGreaterEqual }
