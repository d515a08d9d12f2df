package condition

import (
	"cmp"
	"math"
	"strings"
)

// Comparisons. Static types make both operands of one kind; only members of raw
// bring others. Providers write numbers and truth values as text, so a text that
// reads as one compares with one. Any other mixture is unknown rather than
// false: whether raw.x < 3 holds for {"x": {}} cannot be told, and it must not
// match in the other polarity either.

// equal compares known values.
func equal(f *frame, a, b *value) verdict {
	if a.kind == bounded || b.kind == bounded {
		x, ok := a.ends()
		y, also := b.ends()
		if !ok || !also {
			return unsure
		}
		return compareBounds(opEqual, x, y, false, false)
	}
	if a.kind != b.kind {
		liken(a, b)
		if a.kind != b.kind {
			return unsure
		}
	}
	switch a.kind {
	case boolean:
		return judged(a.truth == b.truth)
	case number:
		return judged(a.num == b.num)
	case text:
		return judged(a.text == b.text)
	case instant:
		return judged(a.when == b.when)
	case list:
		return equalLists(f, a, b)
	default:
		return unsure
	}
}

func equalLists(f *frame, a, b *value) verdict {
	if x, y := a.lengthBounds(), b.lengthBounds(); !x.Single() || !y.Single() {
		return surely(false, x.High < y.Low || x.Low > y.High)
	}
	if a.size() != b.size() {
		return no
	}
	if !f.spend(a.size()) {
		return f.fail(ErrTooLong).verdict()
	}
	out := yes
	for i := range a.size() {
		x, y := a.at(i), b.at(i)
		same := unsure
		// Lists within lists are not compared: the recursion ends here.
		if x.known() && y.known() && x.kind != list && y.kind != list {
			same = equal(f, &x, &y)
		}
		if same == no {
			return no
		}
		out = min(out, same)
	}
	return out
}

// order compares known values that have an order: negative, 0 or positive.
func order(a, b *value) (int, bool) {
	if a.kind != b.kind {
		liken(a, b)
		if a.kind != b.kind {
			return 0, false
		}
	}
	switch a.kind {
	case number:
		return cmp.Compare(a.num, b.num), true
	case text:
		return strings.Compare(a.text, b.text), true
	case instant:
		return cmp.Compare(a.when, b.when), true
	default:
		return 0, false
	}
}

// liken reads a text as number or truth value, in its place, where the other
// operand is one.
func liken(a, b *value) {
	switch {
	case a.kind == text:
		*a = a.readAs(b.kind)
	case b.kind == text:
		*b = b.readAs(a.kind)
	}
}

func (v value) readAs(k kind) value {
	switch {
	case k == number:
		return parseNumber(v.text)
	case k == boolean && strings.EqualFold(v.text, "true"):
		return ofBool(true)
	case k == boolean && strings.EqualFold(v.text, "false"):
		return ofBool(false)
	default:
		return value{}
	}
}

// holds says whether a comparison holds for operands in this order.
func (o op) holds(order int) bool {
	switch o {
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	case opGreater:
		return order > 0
	case opGreaterEqual:
		return order >= 0
	case opEqual:
		return order == 0
	default:
		return order != 0
	}
}

// inverse is the comparison that holds exactly where o does not.
func (o op) inverse() op {
	switch o {
	case opLess:
		return opGreaterEqual
	case opLessEqual:
		return opGreater
	case opGreater:
		return opLessEqual
	case opGreaterEqual:
		return opLess
	case opEqual:
		return opNotEqual
	default:
		return opEqual
	}
}

// mirror is the comparison with its operands exchanged.
func (o op) mirror() op {
	switch o {
	case opLess:
		return opGreater
	case opLessEqual:
		return opGreaterEqual
	case opGreater:
		return opLess
	case opGreaterEqual:
		return opLessEqual
	default:
		return o
	}
}

// evalIn is membership in a list, or of a name among an object's members.
func (n *node) evalIn(f *frame) verdict {
	a := n.args[0].eval(f)
	if a.kind == failed {
		return broken
	}
	b := n.args[1].eval(f)
	switch {
	case b.kind == failed:
		return broken
	case a.kind == unknown:
		return unsure
	case b.kind == object && a.kind == text:
		_, ok := b.ref.(map[string]any)[a.text]
		return judged(ok)
	case b.kind != list:
		return unsure
	}
	if a.kind == bounded {
		return n.memberBounds(f, a, b)
	}
	if l, ok := b.ref.(*items); ok && l.texts != nil && a.kind == text {
		return judged(l.texts[a.text])
	}
	if s, ok := b.ref.(*span); ok && a.kind == number {
		return judged(a.num == math.Trunc(a.num) && a.num >= float64(s.lo) && a.num <= float64(s.hi))
	}
	return memberOf(f, a, b)
}

// memberOf is `a equals some element`, in Kleene's or.
func memberOf(f *frame, a, l value) verdict {
	if !f.spend(l.size()) {
		return f.fail(ErrTooLong).verdict()
	}
	out := no
	for i := range l.size() {
		same := unsure
		if e := l.at(i); e.known() {
			wanted := a
			same = equal(f, &wanted, &e)
		}
		if same == yes && l.maybe(i) {
			same = unsure
		}
		if same == yes {
			return yes
		}
		out = min(out, same)
	}
	return out
}
