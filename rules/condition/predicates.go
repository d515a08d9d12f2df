package condition

// evalPredicate judges the elements of a list one by one. An element of which the
// condition is unknown may be either, and so may one that a filter before it left
// open.
func (n *node) evalPredicate(f *frame) value {
	l := n.args[0].eval(f)
	if l.kind == failed {
		return l
	}
	if l.kind != list {
		return value{}
	}
	if n.op == opFilter {
		return n.filter(f, l)
	}
	t := tally{op: n.op}
	err := f.err
	for i := 0; i < l.size() && !t.decided; i++ {
		f.elem = l.at(i)
		v := n.args[1].judge(f)
		if v == broken && !t.failed {
			err = f.err
		}
		t.take(v, l.maybe(i))
	}
	f.err = err
	return t.value()
}

// tally counts what a predicate makes of the elements of a list.
type tally struct {
	op      op
	held    int // elements that count for certain: they hold, or for all do not
	open    int // elements that may change the outcome
	failed  bool
	decided bool // whatever the rest is
}

// take adds an element; maybe says that it may not be part of the list.
func (t *tally) take(v verdict, maybe bool) {
	switch {
	case v == broken:
		t.failed = true
	case v == unsure:
		t.open++
	case (v == yes) == (t.op == opAll):
		// An element that does not count, or agrees with all.
	case maybe:
		t.open++
	default:
		t.held++
		t.decided = t.op == opAny || t.op == opNone || t.op == opAll || t.op == opOne && t.held > 1
	}
}

func (t *tally) value() value {
	switch {
	case t.decided:
		return ofBool(t.op == opAny)
	case t.failed:
		return value{kind: failed}
	case t.op == opCount:
		return ofBounds(float64(t.held), float64(t.held+t.open))
	case t.open > 0:
		return value{}
	case t.op == opOne:
		return ofBool(t.held == 1)
	default: // no element held, or for all: none failed
		return ofBool(t.op != opAny)
	}
}

// filter keeps the elements that hold, and marks those that may.
func (n *node) filter(f *frame, l value) value {
	out := &items{}
	for i := range l.size() {
		f.elem = l.at(i)
		v := n.args[1].judge(f)
		switch {
		case v == broken:
			return value{kind: failed}
		case v == no:
			continue
		case v == unsure || l.maybe(i):
			if out.unsure == nil {
				out.unsure = make([]bool, len(out.values), l.size())
			}
			out.unsure = append(out.unsure, true)
		case out.unsure != nil:
			out.unsure = append(out.unsure, false)
		}
		out.values = append(out.values, f.elem)
	}
	return value{kind: list, ref: out}
}
