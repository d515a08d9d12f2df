package condition

import "math"

// Bounds are what is known of a number: it lies from Low to High, both included.
// Equal ends are an exact number, NaN ends an unknown one.
type Bounds struct{ Low, High float64 }

// Exact is a number that is known exactly; NaN is unknown.
func Exact(v float64) Bounds { return Bounds{v, v} }

// Known reports whether anything is known of the number.
func (b Bounds) Known() bool { return !math.IsNaN(b.Low) && !math.IsNaN(b.High) }

// Single reports whether the number is known exactly.
func (b Bounds) Single() bool { return b.Low == b.High }

// ofBounds is a number between two ends, of which one may be infinite: nothing is
// known on that side. The upper end is kept in `when`.
func ofBounds(low, high float64) value {
	switch {
	case low == high:
		return finite(low)
	case math.IsNaN(low) || math.IsNaN(high) || math.IsInf(low, -1) && math.IsInf(high, 1):
		return value{}
	}
	return value{kind: bounded, num: low, when: int64(math.Float64bits(high))}
}

// ends are the two ends of a number, equal where it is exact; false for what is
// no number.
func (v *value) ends() (Bounds, bool) {
	switch v.kind {
	case number:
		return Bounds{v.num, v.num}, true
	case bounded:
		return Bounds{v.num, math.Float64frombits(uint64(v.when))}, true
	case text:
		n := parseNumber(v.text)
		return Bounds{n.num, n.num}, n.kind == number
	default:
		return Bounds{}, false
	}
}

// compareBounds compares numbers of which at least one is bounded. The outcome is
// known only where every number between the ends gives the same. whole says that
// both are whole numbers.
func compareBounds(o op, a, b Bounds, wholeA, wholeB bool) verdict {
	switch o {
	case opLess:
		return surely(a.High < b.Low, a.Low >= b.High)
	case opLessEqual:
		return surely(a.High <= b.Low, a.Low > b.High)
	case opGreater:
		return surely(a.Low > b.High, a.High <= b.Low)
	case opGreaterEqual:
		return surely(a.Low >= b.High, a.High < b.Low)
	case opNotEqual:
		return compareBounds(opEqual, a, b, wholeA, wholeB).not()
	}
	fraction := func(x Bounds) bool { return x.Single() && x.Low != math.Trunc(x.Low) }
	return surely(a.Single() && b.Single() && a.Low == b.Low,
		a.High < b.Low || a.Low > b.High || wholeA && fraction(b) || wholeB && fraction(a))
}

func surely(holds, fails bool) verdict {
	switch {
	case holds:
		return yes
	case fails:
		return no
	default:
		return unsure
	}
}

// compareValues compares two known values of which at least one is bounded.
func (n *node) compareValues(a, b *value) verdict {
	x, ok := a.ends()
	y, also := b.ends()
	if !ok || !also {
		return unsure
	}
	return compareBounds(n.op, x, y, n.args[0].typ.whole, n.args[1].typ.whole)
}

// boundedUnary is -x, abs(x) and what rounds, of a bounded number.
func (n *node) boundedUnary(v value) value {
	b, _ := v.ends()
	switch n.op {
	case opNegate:
		return ofBounds(0-b.High, 0-b.Low)
	case opRound:
		return ofBounds(math.Round(b.Low), math.Round(b.High))
	case opFloor:
		return ofBounds(math.Floor(b.Low), math.Floor(b.High))
	case opCeil:
		return ofBounds(math.Ceil(b.Low), math.Ceil(b.High))
	case opInt:
		return ofBounds(math.Trunc(b.Low), math.Trunc(b.High))
	case opFloat:
		return v
	case opAbs:
		low, high := math.Abs(b.Low), math.Abs(b.High)
		if b.Low < 0 && b.High > 0 {
			return ofBounds(0, max(low, high))
		}
		return ofBounds(min(low, high), max(low, high))
	}
	return value{}
}

// boundedArithmetic is interval arithmetic. Where a number between the ends would
// fail (a divisor that may be 0, a result that is too large), it is unknown.
func (n *node) boundedArithmetic(f *frame, a, b value) value {
	x, ok := a.ends()
	y, also := b.ends()
	if !ok || !also {
		return value{}
	}
	out := n.boundedOperation(f, x, y)
	if b, ok := out.ends(); ok && b.open() && !x.open() && !y.open() {
		return value{}
	}
	return out
}

// open says whether nothing is known on one side.
func (b Bounds) open() bool { return math.IsInf(b.Low, 0) || math.IsInf(b.High, 0) }

func (n *node) boundedOperation(f *frame, x, y Bounds) value {
	switch n.op {
	case opAdd:
		return ofBounds(x.Low+y.Low, x.High+y.High)
	case opSubtract:
		return ofBounds(x.Low-y.High, x.High-y.Low)
	case opMultiply:
		return corners(x, y, func(a, b float64) float64 { return a * b })
	case opDivide:
		switch {
		case y.Single() && y.Low == 0:
			return f.fail(n.zero)
		case y.Low <= 0 && y.High >= 0:
			return value{}
		}
		return corners(x, y, func(a, b float64) float64 { return a / b })
	case opPower:
		return power(x, y)
	case opRemainder:
		return n.boundedRemainder(f, x, y)
	}
	return value{}
}

// corners is an operation that has its least and its greatest result where both
// operands are at an end.
func corners(x, y Bounds, of func(a, b float64) float64) value {
	at := [4]float64{of(x.Low, y.Low), of(x.Low, y.High), of(x.High, y.Low), of(x.High, y.High)}
	low, high := at[0], at[0]
	for _, v := range at[1:] {
		low, high = min(low, v), max(high, v) // NaN stays NaN
	}
	return ofBounds(low, high)
}

func power(x, y Bounds) value {
	whole := y.Single() && y.Low == math.Trunc(y.Low)
	switch {
	case x.Low > 0, x.Low == 0 && y.Low >= 0:
		return corners(x, y, math.Pow)
	case !whole || y.Low < 0 && x.Low <= 0 && x.High >= 0:
		return value{}
	case math.Mod(y.Low, 2) != 0:
		return corners(x, y, math.Pow) // grows, or falls, from end to end
	case x.Low < 0 && x.High > 0:
		return ofBounds(0, math.Pow(max(-x.Low, x.High), y.Low))
	default:
		return corners(x, y, math.Pow)
	}
}

// boundedRemainder keeps the sign of the dividend, as the exact operation does.
func (n *node) boundedRemainder(f *frame, x, y Bounds) value {
	x, y = Bounds{math.Trunc(x.Low), math.Trunc(x.High)}, Bounds{math.Trunc(y.Low), math.Trunc(y.High)}
	switch {
	case y.Single() && y.Low == 0:
		return f.fail(n.zero)
	case y.Low <= 0 && y.High >= 0:
		return value{}
	case y.Single() && (x.Low >= 0 || x.High <= 0) && math.Trunc(x.Low/y.Low) == math.Trunc(x.High/y.Low):
		return ofBounds(math.Mod(x.Low, y.Low), math.Mod(x.High, y.Low))
	}
	most := max(math.Abs(y.Low), math.Abs(y.High)) - 1
	low, high := 0.0, 0.0
	if x.Low < 0 {
		low = -min(most, -x.Low)
	}
	if x.High > 0 {
		high = min(most, x.High)
	}
	return ofBounds(low, high)
}

// furtherBounds is the smaller or larger of two numbers of which one is bounded.
func (n *node) furtherBounds(a, b value) value {
	x, ok := a.ends()
	y, also := b.ends()
	switch {
	case !ok || !also:
		return value{}
	case n.op == opMin:
		return ofBounds(min(x.Low, y.Low), min(x.High, y.High))
	default:
		return ofBounds(max(x.Low, y.Low), max(x.High, y.High))
	}
}

// memberBounds is membership of a bounded number in a list: certain where every
// number between the ends is a member, or none is.
func (n *node) memberBounds(f *frame, a, l value) verdict {
	x, _ := a.ends()
	whole := n.args[0].typ.whole
	if s, ok := l.ref.(*span); ok {
		if !whole {
			return surely(false, x.High < float64(s.lo) || x.Low > float64(s.hi))
		}
		return surely(x.Low >= float64(s.lo) && x.High <= float64(s.hi), x.High < float64(s.lo) || x.Low > float64(s.hi))
	}
	if !f.spend(l.size()) {
		return f.fail(ErrTooLong).verdict()
	}
	met, doubt := map[float64]bool{}, false
	for i := range l.size() {
		e := l.at(i)
		y, ok := e.ends()
		switch {
		case !ok || l.maybe(i):
			doubt = doubt || !ok || compareBounds(opEqual, x, y, whole, false) != no
		case y.Single() && y.Low >= x.Low && y.Low <= x.High && (!whole || y.Low == math.Trunc(y.Low)):
			met[y.Low] = true
		case !y.Single():
			doubt = doubt || compareBounds(opEqual, x, y, whole, false) != no
		}
	}
	all := whole && float64(len(met)) == x.High-x.Low+1
	return surely(all, len(met) == 0 && !doubt)
}
