package condition

import (
	"math"
	"strings"
	"unicode/utf8"

	"callwatch/call"
)

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
		return a.length(f)
	case opString:
		return asText(a)
	case opNegate, opAbs, opRound, opFloor, opCeil, opInt, opFloat:
		switch a = a.number(); a.kind {
		case number:
		case bounded:
			return n.boundedUnary(a)
		default:
			return a
		}
		switch n.op {
		case opNegate:
			a.num = -a.num
		case opAbs:
			a.num = math.Abs(a.num)
		case opRound:
			a.num = math.Round(a.num)
		case opFloor:
			a.num = math.Floor(a.num)
		case opCeil:
			a.num = math.Ceil(a.num)
		case opInt:
			a.num = math.Trunc(a.num)
		}
		return a
	}
	if a.kind != text {
		return value{}
	}
	if !f.spend(len(a.text) / 16) {
		return f.fail(ErrTooLong)
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
func (v value) length(f *frame) value {
	switch v.kind {
	case text:
		if !f.spend(len(v.text) / 64) {
			return f.fail(ErrTooLong)
		}
		return ofNumber(float64(utf8.RuneCountInString(v.text)))
	case list:
		b := v.lengthBounds()
		return ofBounds(b.Low, b.High)
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
	if !f.spend(len(a.text) * n.cost / 32) {
		return f.fail(ErrTooLong)
	}
	return ofBool(n.re.MatchString(a.text))
}

func (n *node) binary(f *frame, a, b value) value {
	switch n.op {
	case opSeconds:
		return ofNumber(float64(a.when-b.when) / 1e9)
	case opIndex:
		return index(a, b)
	}
	if b.kind == list && a.kind == text && (n.op == opStartsWith || n.op == opEndsWith) {
		return n.withOne(f, a.text, b)
	}
	if a.kind != text || b.kind != text {
		return value{}
	}
	if !f.spend((len(a.text) + len(b.text)) / 16) {
		return f.fail(ErrTooLong)
	}
	switch n.op {
	case opContains:
		return ofBool(strings.Contains(a.text, b.text))
	case opStartsWith:
		return ofBool(strings.HasPrefix(a.text, b.text))
	case opSplit:
		return n.split(f, a.text, b.text)
	case opEndsWith:
		return ofBool(strings.HasSuffix(a.text, b.text))
	default: // opConcat
		return ofText(a.text + b.text)
	}
}

// withOne is whether a text starts, or ends, with one of a list. An element that is not
// known may be one.
func (n *node) withOne(f *frame, s string, l value) value {
	if !f.spend(l.size()) {
		return f.fail(ErrTooLong)
	}
	out := ofBool(false)
	for i := range l.size() {
		v := l.at(i)
		switch {
		case v.kind != text:
			out = value{}
		case n.op == opStartsWith && strings.HasPrefix(s, v.text), n.op == opEndsWith && strings.HasSuffix(s, v.text):
			if !l.maybe(i) {
				return ofBool(true)
			}
			out = value{}
		}
	}
	return out
}

// ratio is x / y where y is at least the number that is asked for; unknown where it
// is less, or may be.
func (n *node) ratio(f *frame) value {
	x := n.args[0].eval(f)
	if x.kind == failed {
		return x
	}
	y := n.args[1].eval(f)
	if y.kind == failed {
		return y
	}
	x, y = x.number(), y.number()
	if least, ok := y.ends(); !x.known() || !ok || least.Low < n.args[2].val.num {
		return value{}
	}
	if x.kind != bounded && y.kind != bounded {
		return n.quotient(f, x.num, y.num)
	}
	a, _ := x.ends()
	b, _ := y.ends()
	return corners(a, b, func(x, y float64) float64 { return x / y })
}

func (n *node) quotient(f *frame, x, y float64) value {
	if math.IsInf(x/y, 0) {
		return f.fail(n.err)
	}
	return ofNumber(x / y)
}

// arithmetic on two numbers; texts that read as none arrive as unknown.
func (n *node) arithmetic(f *frame, a, b value) value {
	if a.kind == bounded || b.kind == bounded {
		return n.boundedArithmetic(f, a, b)
	}
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
			return f.fail(n.zero)
		}
		if n.op == opDivide {
			x /= y
		} else {
			x = math.Mod(x, y)
		}
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return f.fail(n.err)
	}
	return ofNumber(x)
}
