package condition

import (
	"strings"

	"callwatch/call"
)

// maxMembers is how many members a list may have that is handed to a database.
const maxMembers = 500

// Where is an expression of a database for a condition.
type Where struct {
	SQL  string // a truth value, NULL where the condition is unknown; "" for none
	Args []any  // float64, int64 or string, one for each ? of SQL
	// Exact reports that SQL has the outcome of the condition. If not, it is true of
	// every call for which the condition holds, and of others.
	Exact bool
}

// Where translates the condition, or those operands of its outermost && that can be
// translated. column is the name of a field's column, quoted; false for a field that
// has none. Numbers are stored as numbers, truth values as 0 and 1, times as
// nanoseconds of the Unix epoch, and what is unknown as NULL, whose logic in SQL is
// that of conditions.
func (p *Program) Where(column func(*call.Field) (string, bool)) Where {
	t := translation{column: column}
	if sql, ok := t.condition(p.root); ok {
		return Where{sql, t.args, true}
	}
	if p.root.op != opAnd {
		return Where{}
	}
	var parts []string
	t.args = nil
	for _, a := range p.root.args {
		kept := len(t.args)
		if sql, ok := t.condition(a); ok {
			parts = append(parts, sql)
		} else {
			t.args = t.args[:kept]
		}
	}
	return Where{strings.Join(parts, " AND "), t.args, false}
}

type translation struct {
	column func(*call.Field) (string, bool)
	args   []any
}

// condition translates a sub-expression that cannot fail; false for any other.
func (t *translation) condition(n *node) (string, bool) {
	switch n.op {
	case opAnd, opOr:
		word := map[op]string{opAnd: " AND ", opOr: " OR "}[n.op]
		parts := make([]string, len(n.args))
		for i, a := range n.args {
			var ok bool
			if parts[i], ok = t.condition(a); !ok {
				return "", false
			}
		}
		return "(" + strings.Join(parts, word) + ")", true
	case opNot:
		a, ok := t.condition(n.args[0])
		return "(NOT " + a + ")", ok
	case opIsNil, opIsKnown:
		a, ok := t.field(n.args[0])
		return a + map[op]string{opIsNil: " IS NULL", opIsKnown: " IS NOT NULL"}[n.op], ok
	case opField, opLiteral:
		if n.typ.kind != boolean {
			return "", false
		}
		return t.operand(n)
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		return t.comparison(n)
	case opIn:
		return t.in(n)
	case opContains, opStartsWith:
		a, ok := t.field(n.args[0])
		if !ok || n.args[0].typ.kind != text || !n.args[1].isLiteral() || n.args[1].val.kind != text {
			return "", false
		}
		t.args = append(t.args, n.args[1].val.text)
		return "(instr(" + a + ", ?)" + map[op]string{opContains: " > 0)", opStartsWith: " = 1)"}[n.op], true
	default:
		return "", false
	}
}

func (t *translation) comparison(n *node) (string, bool) {
	switch k := n.args[0].typ.kind; {
	case k != n.args[1].typ.kind:
		return "", false
	case k != number && k != text && k != instant && k != boolean:
		return "", false
	}
	a, ok := t.operand(n.args[0])
	b, also := t.operand(n.args[1])
	sign := map[op]string{opEqual: "=", opNotEqual: "<>", opLess: "<", opLessEqual: "<=", opGreater: ">", opGreaterEqual: ">="}[n.op]
	return "(" + a + " " + sign + " " + b + ")", ok && also
}

// operand is a field or a literal.
func (t *translation) operand(n *node) (string, bool) {
	if n.op != opLiteral {
		return t.field(n)
	}
	switch n.val.kind {
	case number:
		t.args = append(t.args, n.val.num)
	case text:
		t.args = append(t.args, n.val.text)
	case instant:
		t.args = append(t.args, n.val.when)
	case boolean:
		t.args = append(t.args, map[bool]int64{true: 1}[n.val.truth])
	default:
		return "", false
	}
	return "?", true
}

func (t *translation) field(n *node) (string, bool) {
	if n.op != opField || n.field == nil {
		return "", false
	}
	return t.column(n.field)
}

// in translates membership of a field in a list of literals.
func (t *translation) in(n *node) (string, bool) {
	a, ok := t.field(n.args[0])
	l := n.args[1]
	if !ok || !l.isLiteral() || l.val.kind != list {
		return "", false
	}
	k := n.args[0].typ.kind
	switch ref := l.val.ref.(type) {
	case *span:
		if !n.args[0].typ.whole {
			return "", false // 2.5 is not in 1..3
		}
		t.args = append(t.args, int64(ref.lo), int64(ref.hi))
		return "(" + a + " BETWEEN ? AND ?)", true
	case *items:
		if len(ref.values) == 0 || len(ref.values) > maxMembers || ref.unsure != nil || k != number && k != text {
			return "", false
		}
		for _, v := range ref.values {
			if v.kind != k {
				return "", false
			}
			if k == number {
				t.args = append(t.args, v.num)
			} else {
				t.args = append(t.args, v.text)
			}
		}
		return "(" + a + " IN (?" + strings.Repeat(", ?", len(ref.values)-1) + "))", true
	default:
		return "", false
	}
}
