package condition

import (
	"fmt"
	"math"
	"slices"

	"github.com/expr-lang/expr/ast"

	"callwatch/call"
)

// overList says whether n makes one number of the elements of a list, or of what
// args[1] makes of each.
func (n *node) overList() bool { return n.op >= opSum && n.op <= opGreatest }

// aggregate lowers sum, mean, median, min and max of a list: aggregate(list), or
// aggregate(list, number of each element).
func (c *compiler) aggregate(out *node, name string, args []ast.Node) *node {
	example := fmt.Sprintf("e.g. %s(intervals, .jitterMs)", name)
	body, each := args[len(args)-1].(*ast.PredicateNode)
	if len(args) == 2 && !each && c.closure == nil {
		return c.fail(out.loc, CodeArguments, name+" takes a list and what to take of each element", example)
	}
	if len(args) == 2 && c.closure != nil {
		return c.fail(out.loc, CodeNestedClosure, name+" is not allowed within another predicate", "judge one list at a time")
	}
	l := c.lower(args[0])
	switch {
	case l.typ.kind == invalid:
		return l
	case l.typ.kind == list || l.typ.kind == dynamic:
	case len(args) == 2:
		return c.fail(start(args[0]), CodeType, fmt.Sprintf("%s looks at the elements of a list; %s is %s", name, l, l.typ), "")
	case l.typ.kind == number && map[string]string{"mean": "avg", "median": "p50"}[name] != "":
		return c.fail(out.loc, CodeArguments, name+" takes a list; "+l.String()+" is a number",
			fmt.Sprintf("in a rule with over, %s(%s)", map[string]string{"mean": "avg", "median": "p50"}[name], l))
	case l.typ.kind == number:
		return c.windowFunction(name+" of a single value", out.loc)
	default:
		return c.fail(start(args[0]), CodeType, fmt.Sprintf("%s takes a list of numbers; %s is %s", name, l, l.typ), "")
	}
	out.args = []*node{l}
	elem := l.typ.element()
	if l.typ.kind == dynamic {
		elem = typ{kind: dynamic}
	}
	if each {
		b := c.eachElement(l, body)
		if b.typ.kind == invalid {
			return b
		}
		out.args, elem = append(out.args, b), b.typ
		if b.field != nil {
			out.field = &call.Field{Unit: b.field.Unit, Min: b.field.Min, Max: b.field.Max}
			if out.op == opSum {
				sumRange(out.field)
			}
		}
	}
	if elem.kind != number && elem.kind != dynamic {
		of := fmt.Sprintf("the elements of %s are not", l)
		if each {
			of = fmt.Sprintf("%s is %s", out.args[1], elem)
		}
		return c.fail(start(args[len(args)-1]), CodeType, name+" takes numbers; "+of, example)
	}
	out.typ = typ{kind: number, whole: elem.whole && out.op != opMean && out.op != opMedian}
	out.err = &EvalError{out.String(), "the result is out of range"}
	if out.field != nil {
		out.field.Name = out.String()
	}
	return c.made(out)
}

// sumRange is the range of a sum of values of a range: that of none is 0.
func sumRange(f *call.Field) {
	f.Max = nil
	if f.Min != nil && *f.Min >= 0 {
		f.Min = new(0.0)
	} else {
		f.Min = nil
	}
}

// eachElement lowers what is judged or taken of each element of a list.
func (c *compiler) eachElement(l *node, body *ast.PredicateNode) *node {
	c.closure = &closure{elem: l.typ.element(), path: l.path()}
	if l.typ.kind == dynamic {
		c.closure.elem = typ{kind: dynamic}
	}
	b := c.lower(body.Node)
	if c.closure.elem.kind == interval {
		c.warnOfCall(b)
	}
	c.closure = nil
	return b
}

// warnOfCall warns of a predicate that is the same for each interval: it names no member of
// theirs, but a field of the call that they have too.
func (c *compiler) warnOfCall(b *node) {
	if b.contains(func(n *node) bool { return n.op == opElement }) {
		return
	}
	name := ""
	b.contains(func(n *node) bool {
		if _, both := intervalMembers()[n.path()]; both && n.op == opField {
			name = n.path()
		}
		return name != ""
	})
	if name != "" {
		c.warn(b.loc, CodeCallInPredicate, name+" is of the call here, the same for each interval", "did you mean ."+name+"?")
	}
}

// element is what is known of the number that one element has.
type element struct {
	Bounds
	maybe bool // it may not be part of the list
}

// aggregateOf evaluates sum, mean, median, min or max. An element that is not known
// may have any value of its field's range.
func (n *node) aggregateOf(f *frame) value {
	l := n.args[0].eval(f)
	if l.kind == failed {
		return l
	}
	if l.kind != list {
		return value{}
	}
	if !f.spend(l.size()) {
		return f.fail(ErrTooLong)
	}
	elements := make([]element, 0, l.size())
	for i := range l.size() {
		v := l.at(i)
		if n.overElements() {
			f.elem = v
			v = n.args[1].eval(f)
		}
		if v.kind == failed {
			return v
		}
		e := element{n.anyElement(), l.maybe(i)}
		if v.known() {
			known, readable := v.ends()
			if !readable {
				return value{} // a member of raw that is no number
			}
			e.Bounds = known
		}
		elements = append(elements, e)
	}
	return n.finish(f, n.combine(elements))
}

// overElements says whether args[1] is what is taken of each element of args[0].
func (n *node) overElements() bool { return len(n.args) == 2 }

// anyElement is what is known of an element that was not reported: the range of
// its field.
func (n *node) anyElement() Bounds {
	b := Bounds{math.Inf(-1), math.Inf(1)}
	if !n.overElements() || n.args[1].field == nil {
		return b
	}
	if least := n.args[1].field.Min; least != nil {
		b.Low = *least
	}
	if most := n.args[1].field.Max; most != nil {
		b.High = *most
	}
	return b
}

// finish is a number between two ends; an error where it is exact and too large.
func (n *node) finish(f *frame, b Bounds) value {
	if b.Single() && math.IsInf(b.Low, 0) {
		return f.fail(n.err)
	}
	return ofBounds(b.Low, b.High)
}

func nothing() Bounds { return Bounds{math.NaN(), math.NaN()} }

func (n *node) combine(elements []element) Bounds {
	switch n.op {
	case opSum:
		return sumOf(elements)
	case opMean:
		return meanOf(elements)
	case opMedian:
		return medianOf(elements)
	case opLeast:
		out := extremeOf(elements, func(b Bounds) Bounds { return Bounds{0 - b.High, 0 - b.Low} })
		return Bounds{0 - out.High, 0 - out.Low}
	default:
		return extremeOf(elements, func(b Bounds) Bounds { return b })
	}
}

// sumOf is 0 for no element.
func sumOf(elements []element) Bounds {
	var b Bounds
	for _, e := range elements {
		if e.maybe {
			e.Low, e.High = min(0, e.Low), max(0, e.High)
		}
		b.Low, b.High = b.Low+e.Low, b.High+e.High
	}
	return b
}

// extremeOf is the largest number; unknown for a list that is or may be empty.
func extremeOf(elements []element, of func(Bounds) Bounds) Bounds {
	b, sure := Bounds{math.Inf(-1), math.Inf(-1)}, false
	for _, e := range elements {
		x := of(e.Bounds)
		b.High = max(b.High, x.High)
		if !e.maybe {
			b.Low, sure = max(b.Low, x.Low), true
		}
	}
	if !sure {
		return nothing()
	}
	return b
}

// meanOf is unknown for a list that is or may be empty. Elements that may not be
// part of the list are where they lower, or raise, the mean.
func meanOf(elements []element) Bounds {
	lows, highs := make([]float64, 0, len(elements)), make([]float64, 0, len(elements))
	low, high, sure := 0.0, 0.0, 0
	for _, e := range elements {
		if e.maybe {
			lows, highs = append(lows, e.Low), append(highs, 0-e.High)
			continue
		}
		low, high, sure = low+e.Low, high+e.High, sure+1
	}
	if sure == 0 {
		return nothing()
	}
	return Bounds{leastMean(low, sure, lows), 0 - leastMean(0-high, sure, highs)}
}

// leastMean is the least mean of numbers of a known sum and some of others.
func leastMean(sum float64, count int, others []float64) float64 {
	slices.Sort(others)
	for _, v := range others {
		if v >= sum/float64(count) {
			break
		}
		sum, count = sum+v, count+1
	}
	return sum / float64(count)
}

// medianOf is unknown where an element may not be part of the list.
func medianOf(elements []element) Bounds {
	if len(elements) == 0 || slices.ContainsFunc(elements, func(e element) bool { return e.maybe }) {
		return nothing()
	}
	lows, highs := make([]float64, len(elements)), make([]float64, len(elements))
	for i, e := range elements {
		lows[i], highs[i] = e.Low, e.High
	}
	return Bounds{middle(lows), middle(highs)}
}

func middle(values []float64) float64 {
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}
