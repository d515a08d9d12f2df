package lenient

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// reader fills the cells of a document. Each of its methods takes where something
// begins and returns where it ends, or -1 for what is not JSON.
type reader struct{ *document }

func (r reader) space(i int) int {
	for ; i < len(r.text); i++ {
		switch r.text[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return i
		}
	}
	return i
}

// value reads the value that begins at i into the cell at a place.
func (r reader) value(i int, at uint32, depth int) int {
	if i >= len(r.text) {
		return -1
	}
	switch c := r.text[i]; c {
	case '"':
		end, odd := r.quoted(i + 1)
		if end < 0 {
			return -1
		}
		place := &r.cells[at]
		place.kind, place.start, place.end = kindText, uint32(i+1), uint32(end-1)
		place.odd = odd
		return end
	case '{':
		return r.object(i+1, at, depth+1)
	case '[':
		return r.list(i+1, at, depth+1)
	case 't':
		return r.word(i, at, "true", kindTrue)
	case 'f':
		return r.word(i, at, "false", kindFalse)
	case 'n':
		return r.word(i, at, "null", kindNull)
	default:
		end := r.number(i)
		place := &r.cells[at]
		place.kind, place.start, place.end = kindNumber, uint32(i), uint32(end)
		return end
	}
}

func (r reader) word(i int, at uint32, word string, k kind) int {
	if len(r.text)-i < len(word) || string(r.text[i:i+len(word)]) != word {
		return -1
	}
	r.cells[at].kind = k
	return i + len(word)
}

func (r reader) object(i int, at uint32, depth int) int {
	if depth > maxDepth {
		return -1
	}
	count := uint32(0)
	if i = r.space(i); i < len(r.text) && r.text[i] == '}' {
		return r.close(i, at, kindObject, 0)
	}
	for i < len(r.text) && r.text[i] == '"' {
		name := i + 1
		end, odd := r.quoted(name)
		length := end - 1 - name
		if end < 0 || odd && !plainName(r.text[name:end-1]) || length > math.MaxUint16 || count == maxMembers {
			return -1
		}
		if i = r.space(end); i >= len(r.text) || r.text[i] != ':' {
			return -1
		}
		place := uint32(len(r.cells))
		r.cells = append(r.cells, cell{name: uint32(name), nameLen: uint16(length)})
		count++
		if i = r.value(r.space(i+1), place, depth); i < 0 {
			return -1
		}
		if i = r.space(i); i >= len(r.text) {
			return -1
		}
		switch r.text[i] {
		case ',':
			i = r.space(i + 1)
		case '}':
			return r.close(i, at, kindObject, count)
		default:
			return -1
		}
	}
	return -1
}

func (r reader) list(i int, at uint32, depth int) int {
	if depth > maxDepth {
		return -1
	}
	count := uint32(0)
	if i = r.space(i); i < len(r.text) && r.text[i] == ']' {
		return r.close(i, at, kindList, 0)
	}
	for {
		place := uint32(len(r.cells))
		r.cells = append(r.cells, cell{})
		count++
		if i = r.value(i, place, depth); i < 0 {
			return -1
		}
		if i = r.space(i); i >= len(r.text) {
			return -1
		}
		switch r.text[i] {
		case ',':
			i = r.space(i + 1)
		case ']':
			return r.close(i, at, kindList, count)
		default:
			return -1
		}
	}
}

func (r reader) close(i int, at uint32, k kind, count uint32) int {
	place := &r.cells[at]
	place.kind, place.start, place.end = k, count, uint32(len(r.cells))
	return i + 1
}

// plainName says whether a name is there as it reads.
func plainName(name []byte) bool { return bytes.IndexByte(name, '\\') < 0 && utf8.Valid(name) }

// quoted reads a text behind its first quote, to behind its last.
func (r reader) quoted(i int) (end int, odd bool) {
	for {
		if i = plainText(r.text, i); i >= len(r.text) {
			return -1, false
		}
		switch c := r.text[i]; {
		case c == '"':
			return i + 1, odd
		case c == '\\':
			odd = true
			if i = r.escape(i + 1); i < 0 {
				return -1, false
			}
		case c < ' ':
			return -1, false
		default:
			odd = true
			i++
		}
	}
}

// plainText is where the first byte follows that is a quote, a backslash, a control
// character or not ASCII. Eight bytes are looked at together: a byte is found by
// the borrow that subtracting makes, which later bytes alone can have by mistake.
func plainText(b []byte, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^each*'"', x^each*'\\'
		found := ((quote-each)&^quote | (backslash-each)&^backslash | (x-each*' ')&^x | x) & high
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' && b[i] < 0x80 {
		i++
	}
	return i
}

// escape reads what follows a backslash.
func (r reader) escape(i int) int {
	if i >= len(r.text) {
		return -1
	}
	switch r.text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
	default:
		return -1
	}
	if i+5 > len(r.text) {
		return -1
	}
	for _, c := range r.text[i+1 : i+5] {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return -1
		}
	}
	return i + 5
}

func (r reader) number(i int) int {
	if i < len(r.text) && r.text[i] == '-' {
		i++
	}
	if i < len(r.text) && r.text[i] == '0' {
		i++
	} else if i = r.digits(i); i < 0 {
		return -1
	}
	if i < len(r.text) && r.text[i] == '.' {
		if i = r.digits(i + 1); i < 0 {
			return -1
		}
	}
	if i < len(r.text) && (r.text[i] == 'e' || r.text[i] == 'E') {
		if i++; i < len(r.text) && (r.text[i] == '+' || r.text[i] == '-') {
			i++
		}
		return r.digits(i)
	}
	return i
}

// digits reads one digit or more.
func (r reader) digits(i int) int {
	first := i
	for i < len(r.text) && r.text[i]-'0' <= 9 {
		i++
	}
	if i == first {
		return -1
	}
	return i
}
