package lenient

import (
	"bytes"
	"iter"
	"math"
	"strconv"
)

// Node is one value of a body. Every accessor is lenient: providers send
// numbers as text, null for absent, and members that come and go. What cannot be
// read is absent.
type Node struct {
	v    any       // a decoded value, where it is not one of a document
	doc  *document //
	cell uint32    // its place there
}

// place is the cell of a value of a document.
func (n Node) place() *cell { return &n.doc.cells[n.cell] }

// is says whether n is a value of a document, of that kind.
func (n Node) is(k kind) bool { return n.doc != nil && n.place().kind == k }

// Value is the decoded value: as package json has it, with json.Number.
func (n Node) Value() any {
	if n.doc != nil {
		return n.doc.value(n.cell)
	}
	return n.v
}

// Object is the decoded members of an object, nil for anything else.
func (n Node) Object() map[string]any {
	if !n.IsObject() {
		return nil
	}
	m, _ := n.Value().(map[string]any)
	return m
}

// Members are the names and values of an object. A name may come several times:
// the last one counts.
func (n Node) Members() iter.Seq2[string, Node] {
	return func(yield func(string, Node) bool) {
		if n.is(kindObject) {
			n.doc.within(n.cell, yield)
			return
		}
		m, _ := n.v.(map[string]any)
		for name, v := range m {
			if !yield(name, Node{v: v}) {
				return
			}
		}
	}
}

// bytes are those of a text, where it is in a document as it reads and
// trimmed, or of a number: to read a figure without making a text first.
func (n Node) bytes() ([]byte, bool) {
	if n.doc == nil {
		return nil, false
	}
	c := n.place()
	if c.odd || c.kind != kindText && c.kind != kindNumber {
		return nil, false
	}
	return bytes.TrimSpace(n.doc.text[c.start:c.end]), true
}

// TextLike is text, which is not copied where it is what one has already.
func (n Node) TextLike(have string) string {
	if b, ok := n.bytes(); ok && string(b) == have {
		return have
	}
	return n.Text()
}

// Float is number without a pointer.
func (n Node) Float() (float64, bool) {
	var f float64
	var err error
	if b, ok := n.bytes(); ok {
		f, err = strconv.ParseFloat(string(b), 64)
	} else if s := n.Text(); s != "" {
		f, err = strconv.ParseFloat(s, 64)
	} else {
		return 0, false
	}
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// Whole is integer without a pointer.
func (n Node) Whole() (int64, bool) {
	b, ok := n.bytes()
	if i, read := fewDigits(b); read {
		return i, true
	}
	if !ok {
		b = []byte(n.Text())
	}
	if len(b) == 0 {
		return 0, false
	}
	if i, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		return i, true
	}
	f, ok := n.Float()
	if !ok || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// fewDigits reads a number of digits alone that cannot be too large.
func fewDigits(b []byte) (i int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		i = 10*i + int64(c-'0')
	}
	return i, true
}

// Of is the node of a decoded value.
func Of(v any) Node { return Node{v: v} }
