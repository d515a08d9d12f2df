package condition

import (
	"math"
	"strings"
	"unicode/utf8"

	"callwatch/call"
)

// frame is the state of one evaluation.
type frame struct {
	facts *Facts
	elem  value // the element a predicate looks at
	steps int   // left before the evaluation is given up
}

// spend takes the steps of work that grows with its input; false once none are
// left.
func (f *frame) spend(n int) bool {
	f.steps -= n
	return f.steps >= 0
}

func fail(err error) value { return value{kind: failed, ref: err} }

func (n *node) eval(f *frame) value {
	if !f.spend(1) {
		return fail(ErrTooLong)
	}
	switch n.op {
	case opLiteral:
		return n.val
	case opField:
		return f.facts.at(n.slot)
	case opElement:
		return f.elem
	case opNil:
		return value{}
	case opAnd:
		return n.kleene(f, false)
	case opOr:
		return n.kleene(f, true)
	case opNot:
		return n.args[0].eval(f).not()
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
	case opAny, opAll, opNone, opOne, opCount, opFilter:
		return n.evalPredicate(f)
	case opIn:
		return n.evalIn(f)
	}
	return n.strict(f)
}

// kleene is `or` where decisive is true and `and` where it is false. The order
// of the operands does not matter to the outcome: an operand that cannot be told
// counts only where no other decides, an error before an unknown.
func (n *node) kleene(f *frame, decisive bool) value {
	out := ofBool(!decisive)
	for _, a := range n.args {
		v := a.eval(f)
		switch {
		case v.kind == boolean && v.truth == decisive:
			return v
		case v.kind != boolean && out.kind != failed:
			out = v
		}
	}
	return out
}

// conditional with a condition that cannot be told has an outcome only where
// both branches agree.
func (n *node) conditional(f *frame) value {
	cond := n.args[0].eval(f)
	switch {
	case cond.kind == boolean && cond.truth:
		return n.args[1].eval(f)
	case cond.kind == boolean:
		return n.args[2].eval(f)
	case cond.kind == failed:
		return cond
	}
	yes, no := n.args[1].eval(f), n.args[2].eval(f)
	if yes.known() && no.known() {
		if same := equal(f, yes, no); same.kind == boolean && same.truth {
			return yes
		}
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
		return n.arithmetic(a.number(), b.number())
	}
	return n.binary(f, a, b)
}

func (n *node) unary(f *frame, a value) value {
	switch n.op {
	case opMember:
		if m, ok := a.ref.(map[string]any); ok {
			return ofJSON(m[n.key])
		}
		return value{}
	case opIntervalMember:
		return n.read(a.ref.(*call.Interval))
	case opMatches:
		return n.matches(f, a)
	case opLen:
		return a.length()
	case opNegate, opAbs, opRound:
		if a = a.number(); a.kind != number {
			return a
		}
		switch n.op {
		case opNegate:
			a.num = -a.num
		case opAbs:
			a.num = math.Abs(a.num)
		default:
			a.num = math.Round(a.num)
		}
		return a
	}
	if a.kind != text {
		return value{}
	}
	if !f.spend(len(a.text) / 64) {
		return fail(ErrTooLong)
	}
	switch n.op {
	case opLower:
		a.text = strings.ToLower(a.text)
	case opUpper:
		a.text = strings.ToUpper(a.text)
	case opTrim:
		a.text = strings.TrimSpace(a.text)
	}
	return a
}

// length counts characters of a text, elements of a list, members of an object.
func (v value) length() value {
	switch v.kind {
	case text:
		return ofNumber(float64(utf8.RuneCountInString(v.text)))
	case list:
		return ofNumber(float64(v.size()))
	case object:
		return ofNumber(float64(len(v.ref.(map[string]any))))
	default:
		return value{}
	}
}

func (n *node) matches(f *frame, a value) value {
	if a.kind != text {
		return value{}
	}
	if !f.spend((len(a.text) >> 8) * n.cost) {
		return fail(ErrTooLong)
	}
	return ofBool(n.re.MatchString(a.text))
}

func (n *node) binary(f *frame, a, b value) value {
	switch n.op {
	case opEqual:
		return equal(f, a, b)
	case opNotEqual:
		return equal(f, a, b).not()
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		c, ok := order(a, b)
		if !ok {
			return value{}
		}
		return ofBool(n.op.holds(c))
	case opSeconds:
		return ofNumber(float64(a.when-b.when) / 1e9)
	case opIndex:
		return index(a, b)
	}
	if a.kind != text || b.kind != text {
		return value{}
	}
	if !f.spend((len(a.text) + len(b.text)) / 64) {
		return fail(ErrTooLong)
	}
	switch n.op {
	case opContains:
		return ofBool(strings.Contains(a.text, b.text))
	case opStartsWith:
		return ofBool(strings.HasPrefix(a.text, b.text))
	case opEndsWith:
		return ofBool(strings.HasSuffix(a.text, b.text))
	default: // opConcat
		return ofText(a.text + b.text)
	}
}

// arithmetic on two numbers; texts that read as none arrive as unknown.
func (n *node) arithmetic(a, b value) value {
	if a.kind != number || b.kind != number {
		return value{}
	}
	x, y := a.num, b.num
	switch n.op {
	case opAdd:
		x += y
	case opSubtract:
		x -= y
	case opMultiply:
		x *= y
	case opPower:
		x = math.Pow(x, y)
	default:
		if n.op == opRemainder {
			x, y = math.Trunc(x), math.Trunc(y)
		}
		if y == 0 {
			return fail(n.zero)
		}
		if n.op == opDivide {
			x /= y
		} else {
			x = math.Mod(x, y)
		}
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fail(n.err)
	}
	return ofNumber(x)
}
