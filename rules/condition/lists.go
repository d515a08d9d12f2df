package condition

import "slices"

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
		at, fromEnd := i.num, i.num < 0
		if fromEnd {
			at += float64(a.size())
		}
		if at >= 0 && at < float64(a.size()) && a.placed(int(at), fromEnd) {
			return a.at(int(at))
		}
	}
	return value{}
}

// placed reports whether element i is certain to have that place, counted from
// the start or the end of its list.
func (v value) placed(i int, fromEnd bool) bool {
	l, ok := v.ref.(*items)
	switch {
	case !ok || l.unsure == nil:
		return true
	case fromEnd:
		return !slices.Contains(l.unsure[i:], true)
	default:
		return !slices.Contains(l.unsure[:i+1], true)
	}
}

// slice is a part of a list, or of a text by bytes as in expr-lang; bounds
// beyond the ends are the ends.
func (n *node) slice(f *frame, a value) value {
	if a.kind != list && a.kind != text {
		return value{}
	}
	size := len(a.text)
	if a.kind == list {
		if size = a.size(); !a.lengthBounds().Single() {
			return value{}
		}
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
	out := n.args[0].eval(f).number()
	for _, a := range n.args[1:] {
		out = n.further(out, a.eval(f).number())
	}
	return out
}

func (n *node) further(a, b value) value {
	switch {
	case a.kind == failed || a.kind == unknown && b.kind != failed:
		return a
	case b.kind == failed || b.kind == unknown:
		return b
	case a.kind == bounded || b.kind == bounded:
		return n.furtherBounds(a, b)
	case n.op == opMin:
		return ofNumber(min(a.num, b.num))
	default:
		return ofNumber(max(a.num, b.num))
	}
}
