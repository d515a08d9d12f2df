package condition

// index is an element of a list, from the end where i is negative, or a member
// of an object. One that is not there is unknown, like any missing member.
func index(a, i value) value {
	switch a.kind {
	case object:
		if i.kind == text {
			return ofJSON(a.ref.(map[string]any)[i.text])
		}
	case list:
		if i.kind != number {
			return value{}
		}
		at := i.num
		if at < 0 {
			at += float64(a.size())
		}
		if at >= 0 && at < float64(a.size()) {
			return a.at(int(at))
		}
	}
	return value{}
}

// slice is a part of a list, or of a text by bytes as in expr-lang; bounds
// beyond the ends are the ends.
func (n *node) slice(f *frame, a value) value {
	if a.kind != list && a.kind != text {
		return value{}
	}
	size := len(a.text)
	if a.kind == list {
		size = a.size()
	}
	from, to := 0, size
	for i, bound := range []*int{&from, &to} {
		if n.args[i+1] == nil {
			continue
		}
		v := n.args[i+1].eval(f)
		if v.kind == failed {
			return v
		}
		if v = v.number(); v.kind != number {
			return value{}
		}
		at := v.num
		if at < 0 {
			at += float64(size)
		}
		*bound = int(min(max(at, 0), float64(size)))
	}
	from = min(from, to)
	if a.kind == text {
		return ofText(a.text[from:to])
	}
	if !f.spend(to - from) {
		return f.fail(ErrTooLong)
	}
	part := make([]value, 0, to-from)
	for i := from; i < to; i++ {
		part = append(part, a.at(i))
	}
	return value{kind: list, ref: &items{values: part}}
}

// evalMany evaluates operators over any number of operands.
func (n *node) evalMany(f *frame) value {
	if n.op == opArray {
		l := &items{values: make([]value, len(n.args))}
		for i, a := range n.args {
			if l.values[i] = a.eval(f); l.values[i].kind == failed {
				return l.values[i]
			}
		}
		return value{kind: list, ref: l}
	}
	if len(n.args) == 1 {
		return n.extremeOf(f, n.args[0].eval(f))
	}
	out := n.args[0].eval(f).number()
	for _, a := range n.args[1:] {
		out = n.further(out, a.eval(f).number())
	}
	return out
}

// extremeOf is the smallest or largest number of a list; unknown for an empty
// one, or where an element is unknown.
func (n *node) extremeOf(f *frame, l value) value {
	if l.kind == failed {
		return l
	}
	if l.kind != list || l.size() == 0 {
		return value{}
	}
	if !f.spend(l.size()) {
		return f.fail(ErrTooLong)
	}
	out := l.at(0).number()
	for i := 1; i < l.size(); i++ {
		out = n.further(out, l.at(i).number())
	}
	return out
}

func (n *node) further(a, b value) value {
	switch {
	case a.kind == failed || b.kind == number && a.kind == unknown:
		return a
	case b.kind != number:
		return b
	case n.op == opMin:
		return ofNumber(min(a.num, b.num))
	default:
		return ofNumber(max(a.num, b.num))
	}
}

// evalPredicate judges the elements of a list one by one.
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
	held, settled, doubt := 0, false, yes // doubt: unsure or broken where an element is
	err := f.err
	for i := 0; i < l.size() && !settled; i++ {
		f.elem = l.at(i)
		switch v := n.args[1].judge(f); {
		case v == yes:
			held++
			settled = n.settledBy(held)
		case v == no:
			settled = n.op == opAll
		case doubt != broken:
			doubt, err = v, f.err
		}
	}
	f.err = err
	return n.tally(held, settled, doubt)
}

// settledBy says whether so many elements that hold settle the outcome, whatever
// the rest is.
func (n *node) settledBy(held int) bool {
	switch n.op {
	case opAny, opNone:
		return true
	case opOne:
		return held > 1
	default:
		return false
	}
}

func (n *node) tally(held int, settled bool, doubt verdict) value {
	switch {
	case n.op == opCount && doubt != broken:
		// Elements that cannot be told are not counted; an error is no answer.
		return ofNumber(float64(held))
	case !settled && doubt != yes:
		return doubt.value()
	}
	switch n.op {
	case opAny:
		return ofBool(held > 0)
	case opNone:
		return ofBool(held == 0)
	case opOne:
		return ofBool(held == 1)
	default: // opAll
		return ofBool(!settled)
	}
}

func (n *node) filter(f *frame, l value) value {
	out := &items{}
	for i := range l.size() {
		f.elem = l.at(i)
		switch n.args[1].judge(f) {
		case broken:
			return value{kind: failed}
		case yes:
			out.values = append(out.values, f.elem)
		}
	}
	return value{kind: list, ref: out}
}
