package condition

import (
	"regexp"

	"github.com/expr-lang/expr/file"

	"callwatch/call"
)

// op is what a node does.
type op uint8

const (
	opLiteral op = iota
	opNil
	opField
	opHour
	opWeekday
	opLookup         // what a table gives for args[0]
	opFigure         // a number told of a window
	opElement        // the element of a predicate: # or the start of .mos
	opMember         // args[0].key of raw
	opIntervalMember // args[0].key of an interval
	opIndex
	opSlice // args: list, from or nil, to or nil
	opArray

	opNot
	opAnd // two or more
	opOr
	opConditional
	opCoalesce
	opIsNil
	opIsKnown

	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opIn
	opContains
	opStartsWith
	opEndsWith
	opMatches

	opAdd
	opSubtract
	opMultiply
	opDivide
	opRemainder
	opPower
	opNegate
	opConcat
	opSeconds // between two times

	opLen
	opMin
	opMax
	opRatio // args: x, y, the least y
	opAbs
	opRound
	opFloor
	opCeil
	opInt
	opFloat
	opString
	opLower
	opUpper
	opTrim
	opSplit
	opReplace // args: text, old, new

	opAny // args: list, predicate
	opAll
	opNone
	opOne
	opCount
	opLongest // elements in a row
	opFilter
	opFind
	opMap // args: list, value

	opSum // args: list, or list and value
	opMean
	opMedian
	opLeast
	opGreatest
)

// typ is a static type.
type typ struct {
	kind  kind
	whole bool // numbers: always a whole number
	elem  kind // lists: what they hold
}

func (t typ) String() string {
	switch t.kind {
	case boolean:
		return "a truth value"
	case number:
		return "a number"
	case text:
		return "text"
	case instant:
		return "a time"
	case list:
		return "a list"
	case object:
		return "an object"
	case interval:
		return "an interval"
	case null:
		return "nil"
	default:
		return "of any type"
	}
}

// node is one sub-expression, checked.
type node struct {
	op     op
	typ    typ
	args   []*node
	loc    file.Location
	val    value       // opLiteral
	slot   int         // opField, opFigure
	field  *call.Field // row of the field table behind a field or a member of an interval
	key    string      // members, opMatches: the pattern
	table  *Table      // opLookup
	read   func(*call.Interval) value
	re     *regexp.Regexp // opMatches
	cost   int            // opMatches: instructions of the pattern
	macro  string         // name of the macro this is the body of
	share  bool           // opFigure: of a share, such as count(a) / calls
	limits bool           // a comparison of a number or text field with a literal
	err    *EvalError     // what an operator that can fail reports
	zero   *EvalError     // the same, for division by zero
}

// each visits n and everything below it, in source order.
func (n *node) each(visit func(*node)) {
	visit(n)
	for _, a := range n.args {
		if a != nil {
			a.each(visit)
		}
	}
}

func (n *node) isLiteral() bool { return n.op == opLiteral }

// comparison says whether n orders or equates two operands.
func (n *node) comparison() bool { return n.op >= opEqual && n.op <= opGreaterEqual }

// predicate says whether args[1] is evaluated once per element of args[0].
func (n *node) predicate() bool {
	return n.op >= opAny && n.op <= opMap || n.overList() && n.overElements()
}

// path names a field or a member below it, "" for anything else.
func (n *node) path() string {
	switch n.op {
	case opField:
		return n.field.Name
	case opFigure, opHour, opWeekday, opLookup:
		return n.key
	case opMember, opIntervalMember:
		if base := n.args[0].path(); base != "" {
			return base + "." + n.key
		}
	case opElement:
		return n.key
	case opIndex, opSlice:
		return n.args[0].path()
	}
	return ""
}
