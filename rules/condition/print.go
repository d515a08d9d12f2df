package condition

import (
	"strconv"
	"strings"
)

// Binding strengths, as in expr-lang's grammar.
const (
	bindsAny = iota * 10
	bindsOr
	bindsAnd
	bindsCompare
	bindsAdd
	bindsNot
	bindsMultiply
	bindsNegate
	bindsPower
	bindsPrimary
)

// printer writes expressions in their normalized form; with facts, each value
// is behind its name.
type printer struct {
	strings.Builder
	frame *frame // nil: names only
}

// String is n in its normalized form.
func (n *node) String() string {
	var p printer
	p.node(n, bindsAny)
	return p.String()
}

func (o op) symbol() string {
	return [opGreatest + 1]string{
		opAnd: "&&", opOr: "||", opCoalesce: "??",
		opEqual: "==", opNotEqual: "!=", opLess: "<", opLessEqual: "<=", opGreater: ">", opGreaterEqual: ">=",
		opIn: "in", opContains: "contains", opStartsWith: "startsWith", opEndsWith: "endsWith", opMatches: "matches",
		opAdd: "+", opSubtract: "-", opMultiply: "*", opDivide: "/", opRemainder: "%", opPower: "**", opConcat: "+", opSeconds: "-",
		opLen: "len", opMin: "min", opMax: "max", opRatio: "ratio", opAbs: "abs", opRound: "round", opFloor: "floor", opCeil: "ceil", opInt: "int", opFloat: "float", opString: "string",
		opLower: "lower", opUpper: "upper", opTrim: "trim", opSplit: "split", opReplace: "replace",
		opAny: "any", opAll: "all", opNone: "none", opOne: "one", opCount: "count", opLongest: "longest",
		opFilter: "filter", opFind: "find", opMap: "map", opSum: "sum", opMean: "mean", opMedian: "median", opLeast: "min", opGreatest: "max",
	}[o]
}

func (n *node) binds() int {
	switch n.op {
	case opConditional, opCoalesce: // expr-lang wants parentheses around ?? beside operators
		return bindsAny
	case opOr:
		return bindsOr
	case opAnd:
		return bindsAnd
	case opNot:
		return bindsNot
	case opAdd, opSubtract, opConcat, opSeconds:
		return bindsAdd
	case opMultiply, opDivide, opRemainder:
		return bindsMultiply
	case opNegate:
		return bindsNegate
	case opPower:
		return bindsPower
	}
	if n.op == opLiteral && n.val.num < 0 {
		return bindsNegate
	}
	if n.op >= opIsNil && n.op <= opMatches {
		return bindsCompare
	}
	return bindsPrimary
}

func (p *printer) node(n *node, within int) {
	if n.binds() < within {
		p.WriteByte('(')
		p.node(n, bindsAny)
		p.WriteByte(')')
		return
	}
	switch n.op {
	case opLiteral, opNil:
		p.literal(n)
	case opField, opHour, opWeekday, opLookup, opFigure, opElement, opMember, opIntervalMember, opIndex, opSlice:
		p.reference(n)
		p.met(n)
	case opArray:
		p.WriteByte('[')
		p.list(n.args)
		p.WriteByte(']')
	case opNot:
		p.WriteString("not ")
		p.node(n.args[0], bindsNegate)
	case opNegate:
		p.WriteByte('-')
		p.node(n.args[0], bindsNegate)
	case opConditional:
		p.node(n.args[0], bindsOr)
		p.WriteString(" ? ")
		p.node(n.args[1], bindsOr)
		p.WriteString(" : ")
		p.node(n.args[2], bindsOr)
	case opIsNil, opIsKnown:
		p.node(n.args[0], bindsCompare+1)
		if n.op == opIsNil {
			p.WriteString(" == nil")
		} else {
			p.WriteString(" != nil")
		}
	case opMatches:
		p.node(n.args[0], bindsCompare+1)
		p.WriteString(" matches " + strconv.Quote(n.key))
	default:
		if n.binds() == bindsPrimary {
			p.call(n)
		} else {
			p.operation(n, n.op.symbol())
		}
	}
}

// operation writes operands around an operator.
func (p *printer) operation(n *node, symbol string) {
	for i, a := range n.args {
		if i > 0 {
			p.WriteString(" " + symbol + " ")
		}
		p.node(a, n.wants(i, a))
	}
}

// wants is how strongly an operand must bind to be without parentheses.
func (n *node) wants(i int, operand *node) int {
	switch strength := n.binds(); {
	case n.op == opCoalesce && operand.op == opCoalesce && i == 0:
		return bindsAny
	case n.op == opCoalesce:
		return bindsPrimary
	case i == 0 && strength != bindsCompare && strength != bindsPower:
		return strength
	default:
		return strength + 1
	}
}

// call writes a function: its result says more than its arguments.
func (p *printer) call(n *node) {
	p.WriteString(n.op.symbol())
	p.WriteByte('(')
	inner := printer{}
	inner.list(n.args)
	p.WriteString(inner.String())
	p.WriteByte(')')
	p.met(n)
}

func (p *printer) list(args []*node) {
	for i, a := range args {
		if i > 0 {
			p.WriteString(", ")
		}
		p.node(a, bindsAny)
	}
}

// reference writes a field or a member of one.
func (p *printer) reference(n *node) {
	inner := printer{}
	switch n.op {
	case opField:
		p.WriteString(n.field.Name)
	case opFigure, opHour, opWeekday, opLookup:
		p.WriteString(n.key)
	case opElement:
		p.WriteByte('#')
	case opMember, opIntervalMember:
		if n.args[0].op != opElement {
			inner.node(n.args[0], bindsPrimary)
		}
		if isName(n.key) {
			inner.WriteString("." + n.key)
		} else {
			if n.args[0].op == opElement {
				inner.WriteByte('#')
			}
			inner.WriteString("[" + strconv.Quote(n.key) + "]")
		}
	case opIndex, opSlice:
		inner.node(n.args[0], bindsPrimary)
		inner.WriteByte('[')
		for i, a := range n.args[1:] {
			if i > 0 {
				inner.WriteByte(':')
			}
			if a != nil {
				inner.node(a, bindsAny)
			}
		}
		inner.WriteByte(']')
	}
	p.WriteString(inner.String())
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" &&
		(s[0] < '0' || s[0] > '9')
}

// met writes the value n has, behind its name.
func (p *printer) met(n *node) {
	if p.frame == nil {
		return
	}
	p.WriteString(" (" + n.eval(p.frame).show(2) + ")")
}

func (p *printer) literal(n *node) {
	switch {
	case n.op == opNil:
		p.WriteString("nil")
	case n.key != "":
		p.WriteString(n.key) // a named list
	case n.typ.kind == number:
		p.WriteString(plain(n.val.num))
	case n.typ.kind == instant:
		p.WriteString(`date("` + n.val.show(0) + `")`)
	case n.typ.kind == list:
		if s, ok := n.val.ref.(*span); ok {
			p.WriteString(strconv.Itoa(s.lo) + ".." + strconv.Itoa(s.hi))
			return
		}
		p.WriteByte('[')
		for i := range n.val.size() {
			if i > 0 {
				p.WriteString(", ")
			}
			p.WriteString(n.val.at(i).show(-1))
		}
		p.WriteByte(']')
	case n.typ.kind == text:
		p.WriteString(strconv.Quote(n.val.text))
	default:
		p.WriteString(n.val.show(-1))
	}
}
