package condition

import (
	"cmp"
	"strings"
	"time"
)

// frame is the state of one evaluation.
type frame struct {
	facts *Facts
	elem  value          // the element a predicate looks at
	zone  *time.Location // of hour and weekday; nil: UTC
	steps int            // left before the evaluation is given up
	err   error          // behind the latest value or verdict that failed
}

// spend takes the steps of work that grows with its input; false once none are
// left.
func (f *frame) spend(n int) bool {
	f.steps -= n
	return f.steps >= 0
}

func (f *frame) fail(err error) value {
	f.err = err
	return value{kind: failed}
}

// judge evaluates a condition. It is eval without moving values around, which is
// most of the time that a rule takes.
func (n *node) judge(f *frame) verdict {
	switch {
	case n.op == opAnd:
		return n.kleene(f, no)
	case n.op == opOr:
		return n.kleene(f, yes)
	case n.op == opNot:
		return n.args[0].judge(f).not()
	case n.limits && f.spend(1):
		return n.limit(f.facts.at(n.args[0].slot), &n.args[1].val)
	case n.comparison():
		return n.compare(f)
	}
	return n.eval(f).verdict()
}

// kleene is `or` where decisive is yes and `and` where it is no. The order of
// the operands does not matter to the outcome: an operand that decides hides an error,
// and an error hides an unknown. With several errors, the first is told.
func (n *node) kleene(f *frame, decisive verdict) verdict {
	out, err := decisive.not(), f.err
	for _, a := range n.args {
		switch v := a.judge(f); {
		case v == decisive:
			f.err = err
			return v
		case v < no && out != broken:
			out, err = v, f.err
		}
	}
	f.err = err
	return out
}

// compare judges two operands of any kind.
func (n *node) compare(f *frame) verdict {
	a := n.args[0].eval(f)
	if a.kind == failed {
		return broken
	}
	b := n.args[1].eval(f)
	switch {
	case b.kind == failed:
		return broken
	case a.kind == unknown || b.kind == unknown:
		return unsure
	case a.kind == bounded || b.kind == bounded:
		return n.compareValues(&a, &b)
	case n.op == opEqual:
		return equal(f, &a, &b)
	case n.op == opNotEqual:
		return equal(f, &a, &b).not()
	}
	if c, ok := order(&a, &b); ok {
		return judged(n.op.holds(c))
	}
	return unsure
}

// limit compares a field with a literal of the same static type.
func (n *node) limit(v, literal *value) verdict {
	switch v.kind {
	case number:
		return judged(n.op.holds(cmp.Compare(v.num, literal.num)))
	case text:
		return judged(n.op.holds(strings.Compare(v.text, literal.text)))
	default:
		return unsure
	}
}

func (n *node) eval(f *frame) value {
	if !f.spend(1) {
		return f.fail(ErrTooLong)
	}
	switch n.op {
	case opLiteral:
		return n.val
	case opNil:
		return value{}
	case opField:
		return *f.facts.at(n.slot)
	case opHour, opWeekday:
		return n.time(f)
	case opLookup:
		return f.facts.look(n.table)
	case opFigure:
		return f.facts.figure(n)
	case opElement:
		return f.elem
	case opAnd, opOr, opNot, opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		return n.judge(f).value()
	case opConditional:
		return n.conditional(f)
	case opCoalesce:
		if v := n.args[0].eval(f); v.kind != unknown {
			return v
		}
		return n.args[1].eval(f)
	case opIsNil, opIsKnown:
		v := n.args[0].eval(f)
		if v.kind == failed {
			return v
		}
		return ofBool((v.kind == unknown) == (n.op == opIsNil))
	case opArray, opMin, opMax:
		return n.evalMany(f)
	case opAny, opAll, opNone, opOne, opCount, opLongest, opFilter, opFind, opMap:
		return n.evalPredicate(f)
	case opSum, opMean, opMedian, opLeast, opGreatest:
		return n.aggregateOf(f)
	case opRatio:
		return n.ratio(f)
	case opReplace:
		return n.replace(f)
	case opIn:
		return n.evalIn(f).value()
	}
	return n.strict(f)
}

// conditional with a condition that cannot be told is what both branches agree on, of
// two numbers one between them: a limit that depends on it is compared with the part
// that is certain.
func (n *node) conditional(f *frame) value {
	switch cond := n.args[0].judge(f); cond {
	case yes:
		return n.args[1].eval(f)
	case no:
		return n.args[2].eval(f)
	case broken:
		return cond.value()
	}
	a, b := n.args[1].eval(f), n.args[2].eval(f)
	if equal(f, &a, &b) == yes {
		return a
	}
	if a.kind == text || b.kind == text {
		return value{}
	}
	x, ok := a.ends()
	if y, also := b.ends(); ok && also {
		return ofBounds(min(x.Low, y.Low), max(x.High, y.High))
	}
	return value{}
}

// strict operators need all their operands: one that is unknown makes the whole
// unknown, one that failed makes it fail.
func (n *node) strict(f *frame) value {
	a := n.args[0].eval(f)
	if a.kind == failed {
		return a
	}
	if n.op == opSlice {
		return n.slice(f, a)
	}
	if len(n.args) == 1 {
		if a.kind == unknown {
			return a
		}
		return n.unary(f, a)
	}
	b := n.args[1].eval(f)
	if b.kind == failed || a.kind != unknown && b.kind == unknown {
		return b
	}
	if a.kind == unknown {
		return a
	}
	if n.op >= opAdd && n.op <= opPower {
		return n.arithmetic(f, a.number(), b.number())
	}
	return n.binary(f, a, b)
}
