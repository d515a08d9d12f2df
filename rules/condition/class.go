package condition

// Class is what a condition makes of one call of a window.
type Class uint8

const (
	Matching Class = iota // it holds
	Clear                 // it does not
	Partial               // it cannot be told, but at least one of its comparisons can
	Blind                 // none of its comparisons can be told
)

// Classify judges a call and tells how much of the condition could be read. The
// error is the one behind an outcome that is unknown because of it.
func (a *Argument) Classify(facts *Facts) (Class, error) {
	f := frame{facts: facts, zone: a.zone, steps: maxSteps}
	switch v := a.root.judge(&f); v {
	case yes:
		return Matching, nil
	case no:
		return Clear, nil
	case broken:
		err := f.err
		f.err = nil
		return a.root.unknownClass(&f), err
	}
	return a.root.unknownClass(&f), nil
}

func (n *node) unknownClass(f *frame) Class {
	if n.reads(f) {
		return Partial
	}
	return Blind
}

// reads reports whether at least one comparison of a condition has an outcome.
func (n *node) reads(f *frame) bool { return n.judge(f) >= no || n.readsWithin(f) }

// readsWithin is reads for what lies below n: the operands of and, or and not, the
// elements a predicate looks at, conditions within values.
func (n *node) readsWithin(f *frame) bool {
	if n.predicate() {
		l := n.args[0].eval(f)
		if l.kind != list {
			return false
		}
		for i := range l.size() {
			f.elem = l.at(i)
			if n.args[1].typ.kind != boolean && n.args[1].eval(f).known() || n.args[1].reads(f) {
				return true
			}
		}
		return false
	}
	for _, a := range n.args {
		switch {
		case a == nil || a.isLiteral():
		case a.typ.kind == boolean && (a.op != opField || n.joins()):
			if a.reads(f) {
				return true
			}
		case a.readsWithin(f):
			return true
		}
	}
	return false
}

// joins reports whether the operands of n are conditions by themselves: a field
// there is one, as an operand of a comparison it is not.
func (n *node) joins() bool {
	return n.op == opAnd || n.op == opOr || n.op == opNot || n.op == opConditional
}
