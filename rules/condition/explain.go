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

	Value *float64 `json:"value,omitempty"` // what was compared with a limit, where it is a number; of a bounded one, the end that decides

	// Of a bounded number: it lies between.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
}

// Explain lists every leaf condition in source order. A leaf under a negation is
// shown negated, so that its truth says what made the whole hold: the leaf of
// `not (mos >= 3.5)` is `mos < 3.5`. Macros show the leaves of their body.
func (p *Program) Explain(facts *Facts) []Leaf {
	f := frame{facts: facts, zone: p.zone, steps: explainSteps}
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
	l := Leaf{Expr: names.String(), Text: values.String(), Truth: v.truth()}
	if met, o, ok := n.met(f, negated); ok {
		if !met.Single() {
			l.Low, l.High = finiteEnds(met)
		}
		if l.Value = o.deciding(met, v == yes || v == unsure); l.Value != nil && math.IsInf(*l.Value, 0) {
			l.Value = nil
		}
	}
	return l
}

// finiteEnds are the ends of bounds, nil for one that is not known.
func finiteEnds(b Bounds) (low, high *float64) {
	if !math.IsInf(b.Low, 0) {
		low = &b.Low
	}
	if !math.IsInf(b.High, 0) {
		high = &b.High
	}
	return low, high
}

// met is the number that a comparison holds against its limit, and the comparison
// with that number on the left.
func (n *node) met(f *frame, negated bool) (Bounds, op, bool) {
	if !n.comparison() {
		return Bounds{}, n.op, false
	}
	a, o := n.args[0], n.op
	if a.isLiteral() {
		a, o = n.args[1], o.mirror()
	}
	if negated {
		o = o.inverse()
	}
	v := a.eval(f)
	b, ok := v.ends()
	return b, o, ok
}

// deciding is the end of bounds on which it depends whether a comparison is true,
// or false; nil where neither alone decides.
func (o op) deciding(b Bounds, truth bool) *float64 {
	above := o == opGreater || o == opGreaterEqual
	switch {
	case b.Single():
		return &b.Low
	case !above && o != opLess && o != opLessEqual:
		return nil
	case above == truth:
		return &b.Low
	default:
		return &b.High
	}
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
	v, limit := n.args[0].eval(p.frame), n.args[1].val.num
	text := v.show(2)
	switch v.kind {
	case number:
		text = roundedBeside(v.num, limit, math.Round)
	case bounded:
		text = shown.boundsBeside(&v, limit)
	}
	p.WriteString(names.String() + " (" + text + ") " + shown.op.symbol() + " ")
	p.node(n.args[1], bindsPrimary)
}

// roundedBeside writes a number with as many decimals as it takes to see on which
// side of a limit it lies.
func roundedBeside(v, limit float64, round func(float64) float64) string {
	for decimals := 2; decimals < 6; decimals++ {
		scale := math.Pow10(decimals)
		if r := round(v*scale) / scale; (r < limit) == (v < limit) && (r > limit) == (v > limit) {
			return rounded(r, decimals)
		}
	}
	return rounded(v, 6)
}

// down and up round to a whole number, never past it: a lower bound is not shown
// as larger than it is. What is a whole number but for the error of floating point
// stays one.
func down(v float64) float64 { return math.Floor(v + 1e-9) }
func up(v float64) float64   { return math.Ceil(v - 1e-9) }

// boundsBeside writes a bounded number: by the end that decides the comparison,
// where one does.
func (n *node) boundsBeside(v *value, limit float64) string {
	b, _ := v.ends()
	low, high := roundedBeside(b.Low, limit, down), roundedBeside(b.High, limit, up)
	above := n.op == opGreater || n.op == opGreaterEqual
	outcome := compareBounds(n.op, b, Bounds{limit, limit}, n.args[0].typ.whole, false)
	switch {
	case outcome == unsure || n.op == opEqual || n.op == opNotEqual:
		return between(b, low, high)
	case above == (outcome == yes):
		return low + " or more"
	default:
		return high + " or less"
	}
}

// Missing names the unknown fields on which an Unknown outcome depends, in
// source order; none where the outcome is known.
func (p *Program) Missing(facts *Facts) []string {
	f := frame{facts: facts, zone: p.zone, steps: explainSteps}
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
	if n.op != opArray && n.op != opMap && n.eval(f).single() || f.steps < 0 {
		return
	}
	switch n.op {
	case opField, opHour, opWeekday, opLookup, opFigure, opMember, opIntervalMember, opIndex:
		if name := n.path(); name != "" {
			report(name)
			return
		}
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
	if n.op == opRatio { // there is too little below the line
		if report(n.args[1].path()); n.args[1].path() == "" {
			report(n.args[1].String())
		}
		return
	}
	// Every operand is known: a member of raw was of the wrong type.
	for _, a := range n.args {
		if a != nil && a.typ.kind == dynamic {
			report(a.path())
		}
	}
}

// Short is a ratio that is unknown because there is less below its line than it needs, or
// may be.
type Short struct {
	Below string // "count(answered)"
	Value string // "3", "15 to 30"
	Needs float64
}

// Short is the first ratio of the program that has too little below its line; false for none.
func (p *Program) Short(facts *Facts) (short Short, ok bool) {
	f := frame{facts: facts, zone: p.zone, steps: explainSteps}
	p.root.each(func(n *node) {
		if ok || n.op != opRatio {
			return
		}
		y := n.args[1].eval(&f).number()
		if b, known := y.ends(); known && b.Low >= n.args[2].val.num {
			return
		}
		short, ok = Short{n.args[1].String(), y.show(2), n.args[2].val.num}, true
	})
	return short, ok
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
	f := frame{facts: facts, zone: p.zone, steps: explainSteps}
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
	limit := n.args[1]
	if n.args[0].isLiteral() {
		limit = n.args[0]
	}
	held := yes
	if negated {
		held = no
	}
	if !limit.isLiteral() || limit.typ.kind != number || n.judge(f) != held {
		return 0
	}
	met, o, ok := n.met(f, negated)
	if !ok {
		return 0
	}
	distance := math.Abs(*o.deciding(met, true) - limit.val.num)
	if limit.val.num == 0 {
		return distance
	}
	return distance / math.Abs(limit.val.num)
}
