package condition

import (
	"math"
	"slices"
)

// Leaf is one leaf condition of an expression and the value it met.
type Leaf struct {
	Expr  string `json:"expr"`  // "mos < 3.5"
	Text  string `json:"text"`  // "mos (3.12) < 3.5"; an absent field reads "mos (unknown)"
	Truth Truth  `json:"truth"` // held, did not, or could not be told

	Value *float64 `json:"value,omitempty"` // what was compared with a limit, where it is a number
}

// Explain lists every leaf condition in source order. A leaf under a negation is
// shown negated, so that its truth says what made the whole hold: the leaf of
// `not (mos >= 3.5)` is `mos < 3.5`. Macros show the leaves of their body.
func (p *Program) Explain(facts *Facts) []Leaf {
	f := frame{facts: facts, steps: explainSteps}
	var leaves []Leaf
	p.root.leaves(false, func(n *node, negated bool) {
		leaves = append(leaves, n.leaf(&f, negated))
	})
	return leaves
}

// leaves visits what and, or and not are made of.
func (n *node) leaves(negated bool, visit func(n *node, negated bool)) {
	switch n.op {
	case opAnd, opOr:
		for _, a := range n.args {
			a.leaves(negated, visit)
		}
	case opNot:
		n.args[0].leaves(!negated, visit)
	default:
		visit(n, negated)
	}
}

func (n *node) leaf(f *frame, negated bool) Leaf {
	v := n.judge(f)
	if negated {
		v = v.not()
	}
	names, values := printer{}, printer{frame: f}
	names.leaf(n, negated)
	values.leaf(n, negated)
	return Leaf{names.String(), values.String(), v.truth(), n.met(f)}
}

// met is the number that a comparison holds against its limit.
func (n *node) met(f *frame) *float64 {
	if !n.comparison() {
		return nil
	}
	a := n.args[0]
	if a.isLiteral() {
		a = n.args[1]
	}
	if v := a.eval(f).number(); v.kind == number {
		return new(v.num)
	}
	return nil
}

// leaf writes a condition, or its opposite.
func (p *printer) leaf(n *node, negated bool) {
	switch {
	case n.comparison():
		p.comparison(n, negated)
	case !negated:
		p.node(n, bindsAny)
	case n.op == opIsNil || n.op == opIsKnown:
		opposite := *n
		opposite.op = opIsNil + opIsKnown - n.op
		p.node(&opposite, bindsAny)
	case n.op == opMatches:
		p.node(n.args[0], bindsCompare+1)
		p.WriteString(" not matches ")
		p.literal(&node{op: opLiteral, typ: typ{kind: text}, val: ofText(n.key)})
	case n.binds() == bindsCompare:
		p.operation(n, "not "+n.op.symbol())
	case p.frame != nil && n.binds() == bindsPrimary:
		p.node(n, bindsAny) // "answered (false)" says it
	default:
		p.WriteString("not ")
		p.node(n, bindsNegate)
	}
}

// comparison writes a number met with as many decimals as it takes to see on
// which side of the limit it lies: two, unless rounding would move it there.
func (p *printer) comparison(n *node, negated bool) {
	shown := *n
	if negated {
		shown.op = n.op.inverse()
	}
	if p.frame == nil || !n.args[1].isLiteral() || n.args[1].typ.kind != number || n.args[0].binds() != bindsPrimary {
		p.operation(&shown, shown.op.symbol())
		return
	}
	names := printer{}
	names.node(n.args[0], bindsPrimary)
	v := n.args[0].eval(p.frame)
	text := v.show(2)
	if v.kind == number {
		text = rounded(v.num, decimalsToSee(v.num, n.args[1].val.num))
	}
	p.WriteString(names.String() + " (" + text + ") " + shown.op.symbol() + " ")
	p.node(n.args[1], bindsPrimary)
}

func decimalsToSee(v, limit float64) int {
	for decimals := 2; decimals < 6; decimals++ {
		scale := math.Pow10(decimals)
		if r := math.Round(v*scale) / scale; (r < limit) == (v < limit) && (r > limit) == (v > limit) {
			return decimals
		}
	}
	return 6
}

// Missing names the unknown fields on which an Unknown outcome depends, in
// source order; none where the outcome is known.
func (p *Program) Missing(facts *Facts) []string {
	f := frame{facts: facts, steps: explainSteps}
	var names []string
	p.root.missing(&f, func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	})
	return names
}

// missing reports why n cannot be told. Operands that are known have no part in
// it.
func (n *node) missing(f *frame, report func(string)) {
	// A list is known even where its elements are not.
	if n.op != opArray && n.eval(f).known() || f.steps < 0 {
		return
	}
	switch n.op {
	case opField, opFigure, opMember, opIntervalMember, opIndex:
		report(n.path())
		return
	}
	found := false
	tell := func(name string) { found = found || name != ""; report(name) }
	for i, a := range n.args {
		if a == nil || n.predicate() && i == 1 {
			continue
		}
		a.missing(f, tell)
	}
	if n.predicate() {
		n.missingElements(f, tell)
	}
	if found {
		return
	}
	// Every operand is known: a member of raw was of the wrong type.
	for _, a := range n.args {
		if a != nil && a.typ.kind == dynamic {
			report(a.path())
		}
	}
}

func (n *node) missingElements(f *frame, report func(string)) {
	l := n.args[0].eval(f)
	if l.kind != list {
		return
	}
	for i := range l.size() {
		f.elem = l.at(i)
		n.args[1].missing(f, report)
	}
}

// Margin says how far beyond its limit the furthest numeric leaf that holds
// lies, relative to that limit: 0.2 for `mos < 3.5` at 2.8; 0 where none holds.
// The call with the larger margin is the worse one.
func (p *Program) Margin(facts *Facts) float64 {
	f := frame{facts: facts, steps: explainSteps}
	margin := 0.0
	p.root.leaves(false, func(n *node, negated bool) {
		margin = max(margin, n.margin(&f, negated))
	})
	return margin
}

func (n *node) margin(f *frame, negated bool) float64 {
	if n.op < opLess || n.op > opGreaterEqual {
		return 0
	}
	a, limit := n.args[0], n.args[1]
	if a.isLiteral() {
		a, limit = limit, a
	}
	held := yes
	if negated {
		held = no
	}
	if !limit.isLiteral() || limit.typ.kind != number || n.judge(f) != held {
		return 0
	}
	met := a.eval(f).number()
	if met.kind != number {
		return 0
	}
	distance := math.Abs(met.num - limit.val.num)
	if limit.val.num == 0 {
		return distance
	}
	return distance / math.Abs(limit.val.num)
}
