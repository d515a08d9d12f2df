package lenient

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

// document is a JSON body with the places of its values. Bodies are mostly members
// that nobody asks for, so a value is only decoded when a mapping does; finding
// the places is one pass and one allocation.
type document struct {
	text  []byte
	cells []cell // each before the ones within it
}

// cell is the place of one value.
type cell struct {
	name    uint32 // where its name begins within its object
	start   uint32 // of a text within its quotes, or of a number; how many values a container has
	end     uint32 // of a text or number; the place behind the last cell of a container
	nameLen uint16
	kind    kind
	odd     bool // a text that is not written as it reads: with escapes, or not only ASCII
}

type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindText
	kindList
	kindObject
)

// next is the place behind a cell and all within it.
func (c *cell) next(i uint32) uint32 {
	if c.kind >= kindList {
		return c.end
	}
	return i + 1
}

// node is the value at a place; the zero node for null, as anywhere.
func (d *document) node(i uint32) Node {
	if d.cells[i].kind == kindNull {
		return Node{}
	}
	return Node{doc: d, cell: i}
}

// member is the last member of that name, as package json has it, of the object
// at a place.
func (d *document) member(i uint32, name string) Node {
	var found uint32
	for at, end := i+1, d.cells[i].end; at < end; {
		c := &d.cells[at]
		if int(c.nameLen) == len(name) && string(d.text[c.name:int(c.name)+len(name)]) == name {
			found = at
		}
		at = c.next(at)
	}
	if found == 0 {
		return Node{}
	}
	return d.node(found)
}

// within are the values of the container at a place, with their names in an
// object, until yield returns false.
func (d *document) within(i uint32, yield func(name string, n Node) bool) {
	for at, end := i+1, d.cells[i].end; at < end; {
		c := &d.cells[at]
		if !yield(d.nameOf(c), d.node(at)) {
			return
		}
		at = c.next(at)
	}
}

func (d *document) nameOf(c *cell) string {
	return string(d.text[c.name : int(c.name)+int(c.nameLen)])
}

// textOf is a text or the digits of a number.
func (d *document) textOf(c *cell) string {
	text := d.text[c.start:c.end]
	if !c.odd || bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
		return string(text)
	}
	var s string
	if json.Unmarshal(d.text[c.start-1:c.end+1], &s) != nil { // with its quotes
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return s
}

// value decodes the value at a place the way package json does with UseNumber.
func (d *document) value(i uint32) any {
	c := &d.cells[i]
	switch c.kind {
	case kindFalse, kindTrue:
		return c.kind == kindTrue
	case kindNumber:
		return json.Number(d.textOf(c))
	case kindText:
		return d.textOf(c)
	case kindList:
		l := make([]any, 0, c.start)
		d.within(i, func(_ string, n Node) bool { l = append(l, n.Value()); return true })
		return l
	case kindObject:
		m := make(map[string]any, c.start)
		d.within(i, func(name string, n Node) bool { m[name] = n.Value(); return true })
		return m
	default:
		return nil
	}
}

// maxMembers bounds an object of a document: each question for a member goes
// through all of them.
const maxMembers = 1000

// read finds the places of all values of a body that is one JSON value, nested at
// most maxDepth deep. It takes no body that package json does not. Objects with
// very many members and names that are not written as they read are refused
// too: those are left to package json, so that the same bodies are understood.
func read(text []byte) (*document, bool) {
	if len(text) > math.MaxInt32 {
		return nil, false
	}
	d := &document{text: text, cells: make([]cell, 1, mostValues(text))}
	r := reader{d}
	end := r.value(r.space(0), 0, 0)
	if end < 0 || r.space(end) != len(text) {
		return nil, false
	}
	return d, true
}

// mostValues is a number of values that a body cannot exceed: each but the first
// follows a comma or begins a container.
func mostValues(text []byte) int {
	separators := bytes.Count(text, []byte(",")) + bytes.Count(text, []byte("{")) + bytes.Count(text, []byte("["))
	return 1 + min(separators, len(text)/2)
}
