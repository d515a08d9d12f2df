package condition

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/expr-lang/expr/ast"

	"callwatch/yamlfile/spelling"
)

func binaryOps() map[string]op {
	return map[string]op{
		"==": opEqual, "!=": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
		"and": opAnd, "&&": opAnd, "or": opOr, "||": opOr, "??": opCoalesce,
		"in": opIn, "contains": opContains, "startsWith": opStartsWith, "endsWith": opEndsWith, "matches": opMatches,
		"+": opAdd, "-": opSubtract, "*": opMultiply, "/": opDivide, "%": opRemainder, "**": opPower, "^": opPower,
	}
}

func (c *compiler) unary(n *ast.UnaryNode) *node {
	a := c.lower(n.Node)
	at := n.Location()
	switch n.Operator {
	case "!", "not":
		switch {
		case !c.wantBool(a, "the operand of not"):
			return bad(at)
		case a.op == opNot:
			return a.args[0]
		}
		return c.made(&node{op: opNot, args: []*node{a}, typ: typ{kind: boolean}, loc: at})
	default:
		switch {
		case !c.wantNumber(a, n.Operator):
			return bad(at)
		case n.Operator == "+":
			return a
		}
		return c.made(&node{op: opNegate, args: []*node{a}, typ: typ{kind: number, whole: a.typ.whole}, loc: at})
	}
}

func (c *compiler) binary(n *ast.BinaryNode) *node {
	if n.Operator == ".." {
		return c.span(n)
	}
	out := &node{op: binaryOps()[n.Operator], typ: typ{kind: boolean}, loc: n.Location()}
	a, b := c.operands(n, out)
	out.args = []*node{a, b}
	if out.op == opAnd || out.op == opOr {
		return c.logic(out)
	}
	if a.typ.kind == invalid || b.typ.kind == invalid {
		return bad(out.loc)
	}
	switch out.op {
	case opCoalesce:
		return c.coalesce(out)
	case opIn:
		return c.in(out)
	case opContains, opStartsWith, opEndsWith:
		if b.typ.kind == list && out.op != opContains && b.typ.elem == text {
			if c.wantText(a, n.Operator) {
				return c.made(out)
			}
			return bad(out.loc)
		}
		if c.wantText(a, n.Operator) && c.wantText(b, n.Operator) {
			return c.made(out)
		}
	case opMatches:
		return c.matches(out)
	case opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		return c.comparison(out)
	default:
		return c.arithmetic(out, n.Operator)
	}
	return bad(out.loc)
}

// operands lowers both sides. A bare word compared with a text field is a text
// whose quotes were forgotten.
func (c *compiler) operands(n *ast.BinaryNode, out *node) (a, b *node) {
	a = c.lower(n.Left)
	word, ok := n.Right.(*ast.IdentifierNode)
	if ok && out.comparison() && a.op == opField && a.typ.kind == text && !c.names.has(c.env, word.Value) && foreignWord(word.Value) == "" {
		hint := fmt.Sprintf("texts need quotes: %q", word.Value)
		if meant := spelling.Nearest(word.Value, a.field.Enum); meant != "" {
			hint = fmt.Sprintf("texts need quotes: %q", meant)
		}
		return a, c.fail(word.Location(), CodeUnknownField, "unknown field "+word.Value, hint)
	}
	return a, c.lower(n.Right)
}

// logic joins chains of the same operator to one node.
func (c *compiler) logic(out *node) *node {
	word := map[op]string{opAnd: "&&", opOr: "||"}[out.op]
	var args []*node
	for _, a := range out.args {
		c.wantBool(a, "an operand of "+word)
		if a.op == out.op && a.macro == "" {
			args = append(args, a.args...)
		} else {
			args = append(args, a)
		}
	}
	out.args = args
	if out.op == opAnd && len(args) <= maxRange {
		c.lintAnd(out)
	}
	return c.made(out)
}

func (c *compiler) coalesce(out *node) *node {
	a, b := out.args[0], out.args[1]
	t, ok := common(a.typ, b.typ)
	if !ok {
		return c.fail(out.loc, CodeType, fmt.Sprintf("the value after ?? must be of the same type; %s is %s, %s is %s", a, a.typ, b, b.typ), "")
	}
	out.typ = t
	return c.made(out)
}

func (c *compiler) comparison(out *node) *node {
	a, b := out.args[0], out.args[1]
	equality := out.op == opEqual || out.op == opNotEqual
	if a.typ.kind == null || b.typ.kind == null {
		return c.nilTest(out, equality)
	}
	if !comparable(a.typ, b.typ, equality) {
		return c.mismatch(out)
	}
	c.lint(out)
	return c.made(out)
}

func (c *compiler) nilTest(out *node, equality bool) *node {
	a, b := out.args[0], out.args[1]
	if !equality {
		return c.fail(out.loc, CodeType, "nil has no order", "ask whether a field is unknown with == nil")
	}
	if a.typ.kind == null {
		a = b
	}
	test := &node{op: opIsNil, args: []*node{a}, typ: typ{kind: boolean}, loc: out.loc}
	if out.op == opNotEqual {
		test.op = opIsKnown
	}
	return c.made(test)
}

// comparable says whether values of two types can be compared: those of one
// kind, and members of raw with texts, numbers and truth values.
func comparable(a, b typ, equality bool) bool {
	if a.kind == dynamic {
		a, b = b, a
	}
	switch {
	case b.kind == dynamic && a.kind == list:
		return equality
	case b.kind == dynamic:
		return a.kind == dynamic || a.kind == number || a.kind == text || a.kind == boolean && equality
	case a.kind != b.kind:
		return false
	case a.kind == number || a.kind == text || a.kind == instant:
		return true
	case a.kind == list:
		_, ok := common(a, b)
		return equality && ok && a.elem != interval
	default:
		return equality && a.kind == boolean
	}
}

func (c *compiler) arithmetic(out *node, symbol string) *node {
	a, b := out.args[0], out.args[1]
	out.typ = typ{kind: number, whole: a.typ.whole && b.typ.whole}
	switch {
	case out.op == opSubtract && a.typ.kind == instant && b.typ.kind == instant:
		out.op, out.typ.whole = opSeconds, false
		return c.made(out)
	case out.op == opAdd && (a.typ.kind == text && isTextual(b) || b.typ.kind == text && isTextual(a)):
		if c.closure != nil {
			return c.fail(out.loc, CodeTextBuilding, "texts cannot be joined within a predicate", "compare the parts by themselves")
		}
		out.op, out.typ = opConcat, typ{kind: text}
		return c.made(out)
	case !c.wantNumber(a, symbol) || !c.wantNumber(b, symbol):
		return bad(out.loc)
	case out.op == opRemainder && (!wholeOrDynamic(a) || !wholeOrDynamic(b)):
		return c.fail(out.loc, CodeType, "% needs whole numbers", "round first, e.g. compare round(x) / 2")
	case out.op == opDivide && b.isLiteral() && b.val.num == 0:
		return c.fail(b.loc, CodeArithmetic, fmt.Sprintf("%s: division by zero", out), "")
	case out.op == opDivide || out.op == opPower:
		out.typ.whole = false
	}
	if out.op == opDivide && c.figures != nil {
		markShare(a, b, c.figures.All)
	}
	return c.made(out.fails())
}

// emptyRangeHint says what a range from more to less may have meant. Hours go over
// midnight.
func emptyRangeHint(lo, hi float64) string {
	hint := fmt.Sprintf("write %s..%s", plain(hi), plain(lo))
	if hi >= 0 && lo <= 23 {
		hint += fmt.Sprintf("; of hours over midnight hour >= %s || hour <= %s", plain(lo), plain(hi))
	}
	return hint
}

func isTextual(n *node) bool      { return n.typ.kind == text || n.typ.kind == dynamic }
func wholeOrDynamic(n *node) bool { return n.typ.whole || n.typ.kind == dynamic }

// matches compiles a pattern once. It must be a literal, and small: the time to
// match grows with it.
func (c *compiler) matches(out *node) *node {
	a, b := out.args[0], out.args[1]
	if !c.wantText(a, "matches") {
		return bad(out.loc)
	}
	if !b.isLiteral() || b.typ.kind != text {
		return c.fail(out.loc, CodePattern, "the pattern after matches must be a quoted text", `e.g. to matches "^\\+49"`)
	}
	parsed, err := syntax.Parse(b.val.text, syntax.Perl)
	if err != nil {
		return c.fail(b.loc, CodePattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "), "patterns are RE2: no look-around, no back-references")
	}
	if size := patternSize(parsed); size > maxRegexp {
		return c.fail(b.loc, CodePattern, "the pattern is too large once its repetitions are written out", "use smaller counts in {n,m}")
	}
	re, err := regexp.Compile(b.val.text)
	if err != nil {
		return c.fail(b.loc, CodePattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "), "")
	}
	out.args, out.key, out.re, out.cost = []*node{a}, b.val.text, re, patternSize(parsed)
	return c.made(out)
}

// patternSize is about how many instructions a pattern has once its repetitions
// are written out, at most maxRegexp+1. It is found without writing them out.
func patternSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCharClass:
		size += len(re.Rune) / 16 // a large class takes longer to test
	}
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxRegexp+1)
}

func (c *compiler) in(out *node) *node {
	a, l := out.args[0], out.args[1]
	switch l.typ.kind {
	case dynamic:
	case object:
		if !isTextual(a) {
			return c.fail(out.loc, CodeType, fmt.Sprintf("members of %s have names; %s is %s", l, a, a.typ), `e.g. "quality" in raw`)
		}
	case list:
		if !comparable(a.typ, l.typ.element(), true) {
			return c.fail(out.loc, CodeType, fmt.Sprintf("%s is %s, but the list holds other values", a, a.typ), "")
		}
		c.lintMembers(a, l)
	default:
		hint := ""
		if l.typ.kind == text && !isTextual(a) {
			hint = fmt.Sprintf("write a list: %s in [500, 503]", a)
		} else if l.typ.kind == text {
			hint = fmt.Sprintf("for a part of a text write %s contains %s", l, a)
		}
		return c.fail(out.loc, CodeType, fmt.Sprintf("%s is %s; after in comes a list, a range or raw", l, l.typ), hint)
	}
	return c.made(out)
}

// span is a range of whole numbers with literal bounds.
func (c *compiler) span(n *ast.BinaryNode) *node {
	lo, hi := c.lower(n.Left), c.lower(n.Right)
	at := n.Location()
	switch {
	case lo.typ.kind == invalid || hi.typ.kind == invalid:
		return bad(at)
	case !lo.isLiteral() || !hi.isLiteral() || !lo.typ.whole || !hi.typ.whole:
		return c.fail(at, CodeRange, "the bounds of a range are whole numbers written out", "e.g. sipCode in 500..599; else compare with >= and <=")
	case lo.val.num > hi.val.num:
		return c.fail(at, CodeRange, fmt.Sprintf("the range %s..%s is empty", lo, hi), emptyRangeHint(lo.val.num, hi.val.num))
	case hi.val.num-lo.val.num >= maxRange:
		return c.fail(at, CodeRange, fmt.Sprintf("the range %s..%s has more than %d numbers", lo, hi, maxRange), "compare with >= and <=")
	}
	v := value{kind: list, ref: &span{int(lo.val.num), int(hi.val.num)}}
	return c.literal(v, typ{kind: list, elem: number, whole: true}, at)
}
