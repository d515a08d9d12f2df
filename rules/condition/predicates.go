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
	switch n.op {
	case opFilter:
		return n.filter(f, l)
	case opMap:
		return n.mapped(f, l)
	case opFind:
		return n.find(f, l)
	case opLongest:
		return n.longest(f, l)
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

// longest is the length of the longest run of elements that hold. One that is not
// certain ends a run, or is part of it.
func (n *node) longest(f *frame, l value) value {
	var sure, possible, most, mostPossible int
	for i := range l.size() {
		f.elem = l.at(i)
		v, maybe := n.args[1].judge(f), l.maybe(i)
		switch {
		case v == broken:
			return value{kind: failed}
		case v == yes:
			possible++
			if !maybe {
				sure++
			}
		case v == unsure:
			sure, possible = 0, possible+1
		case maybe: // not there, it ends nothing
			sure = 0
		default:
			sure, possible = 0, 0
		}
		most, mostPossible = max(most, sure), max(mostPossible, possible)
	}
	return ofBounds(float64(most), float64(mostPossible))
}

// find is the first element that holds; unknown where there is none, or where it
// cannot be told which it is.
func (n *node) find(f *frame, l value) value {
	for i := range l.size() {
		f.elem = l.at(i)
		switch v := n.args[1].judge(f); {
		case v == broken:
			return value{kind: failed}
		case v == yes && !l.maybe(i):
			return f.elem
		case v == yes || v == unsure:
			return value{}
		}
	}
	return value{}
}

// mapped is the list of what args[1] makes of each element.
func (n *node) mapped(f *frame, l value) value {
	out := &items{values: make([]value, 0, l.size())}
	for i := range l.size() {
		f.elem = l.at(i)
		v := n.args[1].eval(f)
		if v.kind == failed {
			return v
		}
		out.values = append(out.values, v)
		if l.maybe(i) && out.unsure == nil {
			out.unsure = make([]bool, l.size())
		}
		if l.maybe(i) {
			out.unsure[i] = true
		}
	}
	return value{kind: list, ref: out}
}
