package condition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"callwatch/yamlfile/spelling"
)

// lower checks a syntax tree and turns it into nodes. Everything that is wrong
// is reported; a node of invalid type is where nothing sensible can.
func (c *compiler) lower(n ast.Node) *node {
	at := n.Location()
	switch n := n.(type) {
	case *ast.NilNode:
		return c.made(&node{op: opNil, typ: typ{kind: null}, loc: at})
	case *ast.IntegerNode:
		if n.Value > 1<<53 || n.Value < -1<<53 {
			return c.fail(at, CodeArithmetic, fmt.Sprintf("%d is too large to be exact", n.Value), "")
		}
		return c.literal(ofNumber(float64(n.Value)), typ{kind: number, whole: true}, at)
	case *ast.FloatNode:
		return c.literal(ofNumber(n.Value), typ{kind: number}, at)
	case *ast.BoolNode:
		return c.literal(ofBool(n.Value), typ{kind: boolean}, at)
	case *ast.StringNode:
		return c.literal(ofText(n.Value), typ{kind: text}, at)
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.PointerNode:
		return c.element(n)
	case *ast.ChainNode:
		return c.lower(n.Node)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.SliceNode:
		return c.slice(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.call(n.Name, n.Arguments, at)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(callee.Value, n.Arguments, at)
		}
		return c.fail(at, CodeUnsupported, "values have no methods", "write the function first, e.g. lower(codec)")
	case *ast.VariableDeclaratorNode:
		return c.fail(at, CodeUnsupported, "let is not part of conditions", "name the sub-expression under `define`")
	case *ast.SequenceNode:
		return c.fail(at, CodeUnsupported, "a condition is one expression, without semicolons", "join conditions with && or ||")
	case *ast.MapNode:
		return c.fail(at, CodeUnsupported, "objects are not part of conditions", "test for several values with a list: x in [1, 2]")
	case *ast.ConstantNode:
		return c.strayed(n)
	case *ast.BytesNode:
		return c.fail(at, CodeUnsupported, "byte strings are not part of conditions", `write a text: "..."`)
	default:
		return c.fail(at, CodeUnsupported, "this is not part of conditions", "")
	}
}

func (c *compiler) literal(v value, t typ, at file.Location) *node {
	return c.made(&node{op: opLiteral, val: v, typ: t, loc: at})
}

// made counts a node and replaces operations on literals by their result.
func (c *compiler) made(n *node) *node {
	if c.count++; c.count > maxNodes {
		return c.tooComplex(c.whole())
	}
	if !n.constant() {
		n.limits = n.comparison() && n.args[0].op == opField && n.args[1].isLiteral() && n.args[0].typ.kind == n.args[1].typ.kind &&
			(n.args[0].typ.kind == number || n.args[0].typ.kind == text)
		return n
	}
	f := frame{facts: &Facts{}, steps: maxSteps}
	v := n.eval(&f)
	switch v.kind {
	case failed:
		return c.fail(n.loc, CodeArithmetic, f.err.Error(), "")
	case boolean, number, text, list:
		return &node{op: opLiteral, val: v, typ: n.typ, loc: n.loc}
	default:
		return n
	}
}

// constant says whether n is an operation on literals alone. Predicates are left
// as they were written.
func (n *node) constant() bool {
	if len(n.args) == 0 || n.predicate() || n.op == opIn {
		return false
	}
	for _, a := range n.args {
		if a != nil && !a.isLiteral() {
			return false
		}
	}
	return true
}

// fails gives an operator that can fail its errors, made once at load.
func (n *node) fails() *node {
	n.err = &EvalError{n.String(), "the result is out of range"}
	n.zero = &EvalError{n.err.Expr, "division by zero"}
	return n
}

func (c *compiler) element(n *ast.PointerNode) *node {
	if c.closure == nil || n.Name != "" {
		return c.fail(n.Location(), CodeUnsupported, "#"+n.Name+" is not part of conditions", "# is the element a predicate looks at")
	}
	return c.made(&node{op: opElement, key: c.closure.path, typ: typ{kind: c.closure.elem.kind, whole: c.closure.elem.whole}, loc: n.Location()})
}

func (c *compiler) member(n *ast.MemberNode) *node {
	base := c.lower(n.Node)
	key := c.lower(n.Property)
	at := n.Location()
	if base.typ.kind == invalid || key.typ.kind == invalid {
		return bad(at)
	}
	name := ""
	if key.isLiteral() && key.typ.kind == text {
		name = key.val.text
	}
	switch {
	case name != "" && (base.typ.kind == object || base.typ.kind == dynamic):
		return c.made(&node{op: opMember, args: []*node{base}, key: name, typ: typ{kind: dynamic}, loc: at})
	case name != "" && base.typ.kind == interval:
		return c.intervalMember(base, name, at)
	case name != "" && base.typ.kind == list:
		if base.typ.elem == text {
			return c.fail(at, CodeType, base.String()+" is a list of texts and has no member "+name, fmt.Sprintf("ask for one of them: %q in %s", name, base))
		}
		return c.fail(at, CodeType, base.String()+" is a list and has no member "+name,
			fmt.Sprintf("ask about its elements, e.g. any(%s, .%s < 3.5), or about one: %[1]s[0].%[2]s", base, name))
	case base.typ.kind == object, base.typ.kind == dynamic && (key.typ.kind == text || key.typ.kind == dynamic || key.typ.kind == number):
		if base.typ.kind == object && key.typ.kind == number {
			break
		}
		return c.made(&node{op: opIndex, args: []*node{base, key}, typ: typ{kind: dynamic}, loc: at})
	case base.typ.kind == list && (key.typ.kind == dynamic || key.typ.kind == number):
		return c.made(&node{op: opIndex, args: []*node{base, key}, typ: base.typ.element(), loc: at})
	}
	return c.fail(at, CodeType, fmt.Sprintf("%s is %s and has no member %s", base, base.typ, key), "")
}

// element is the type of what a list holds.
func (t typ) element() typ { return typ{kind: t.elem, whole: t.whole} }

func (c *compiler) intervalMember(base *node, name string, at file.Location) *node {
	members := intervalMembers()
	m, ok := members[name]
	if !ok {
		known := make([]string, 0, len(members))
		for k := range members {
			known = append(known, k)
		}
		slices.Sort(known)
		hint := "intervals have " + strings.Join(known, ", ")
		if meant := spelling.Nearest(name, known); meant != "" {
			hint = "did you mean " + meant + "?"
		}
		return c.fail(at, CodeUnknownField, "an interval has no member "+name, hint)
	}
	n := &node{op: opIntervalMember, args: []*node{base}, key: name, read: m.read, typ: m.typ, loc: at}
	if slot, ok := c.names.fields[name]; ok {
		n.field = &c.names.table[slot]
	}
	return c.made(n)
}

func (c *compiler) slice(n *ast.SliceNode) *node {
	base := c.lower(n.Node)
	out := &node{op: opSlice, args: []*node{base, nil, nil}, typ: base.typ, loc: n.Location()}
	for i, bound := range []ast.Node{n.From, n.To} {
		if bound == nil {
			continue
		}
		b := c.lower(bound)
		if b.typ.kind != invalid && b.typ.kind != dynamic && (b.typ.kind != number || !b.typ.whole) {
			c.fail(b.loc, CodeType, "the bounds of a slice are whole numbers", "e.g. from[0:3]")
		}
		out.args[i+1] = b
	}
	switch base.typ.kind {
	case invalid:
		return base
	case text, list, dynamic:
		return c.made(out)
	default:
		return c.fail(n.Location(), CodeType, fmt.Sprintf("%s is %s and has no slices", base, base.typ), "")
	}
}

func (c *compiler) array(n *ast.ArrayNode) *node {
	out := &node{op: opArray, typ: typ{kind: list, whole: true}, loc: n.Location()}
	if len(n.Nodes) == 0 {
		return c.fail(n.Location(), CodeEmptyList, "an empty list holds nothing", "")
	}
	for _, e := range n.Nodes {
		a := c.lower(e)
		out.args = append(out.args, a)
		out.typ.whole = out.typ.whole && a.typ.whole
		switch k := a.typ.kind; {
		case k == invalid:
			out.typ.kind = invalid
		case k == list || k == object || k == null:
			return c.fail(a.loc, CodeType, fmt.Sprintf("%s is %s; lists hold numbers, texts or truth values", a, a.typ), "")
		case out.typ.elem == unknown:
			out.typ.elem = k
		case k != out.typ.elem && k != dynamic && out.typ.elem != dynamic:
			return c.fail(a.loc, CodeType, fmt.Sprintf("a list holds values of one type; %s is %s", a, a.typ), "")
		case k == dynamic:
			out.typ.elem = dynamic
		}
	}
	made := c.made(out)
	if made.isLiteral() && made.typ.elem == text {
		l := made.val.ref.(*items)
		l.texts = map[string]bool{}
		for _, v := range l.values {
			l.texts[v.text] = true
		}
	}
	return made
}

func (c *compiler) conditional(n *ast.ConditionalNode) *node {
	cond, yes, no := c.lower(n.Cond), c.lower(n.Exp1), c.lower(n.Exp2)
	c.wantBool(cond, "the condition before ?")
	t, ok := common(yes.typ, no.typ)
	if !ok {
		return c.fail(start(n), CodeType, fmt.Sprintf("both results of ?: need one type; %s is %s, %s is %s", yes, yes.typ, no, no.typ), "")
	}
	return c.made(&node{op: opConditional, args: []*node{cond, yes, no}, typ: t, loc: start(n)})
}

// common is the type of a value that comes from one or the other.
func common(a, b typ) (typ, bool) {
	switch {
	case a.kind == invalid || b.kind == invalid:
		return typ{kind: invalid}, true
	case a.kind == null:
		return b, true
	case b.kind == null:
		return a, true
	case a.kind == dynamic || b.kind == dynamic:
		return typ{kind: dynamic}, true
	case a.kind != b.kind:
		return typ{}, false
	case a.kind == list && a.elem != b.elem:
		return typ{kind: list, elem: dynamic}, a.elem == dynamic || b.elem == dynamic
	default:
		return typ{kind: a.kind, elem: a.elem, whole: a.whole && b.whole}, true
	}
}
