package call

import (
	"encoding/json"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// Read reads into the zero event what JSON has written, in a fraction of the
// time that a decoder of any JSON takes. It is false for a text that is written
// otherwise, which may be right all the same; e then holds a part of it.
func (e *Event) Read(text []byte) bool {
	r := jsonReader{rest: text}
	readStruct(&r, eventMembers(), e)
	return !r.failed && len(r.rest) == 0
}

// jsonReader takes JSON without blanks from the front of rest. After a failure
// it takes nothing more.
type jsonReader struct {
	rest   []byte
	depth  int
	failed bool
}

// maxReadDepth is above the nesting of any body that becomes an event.
const maxReadDepth = 100

// readStruct reads an object whose members stand in the order of their table.
func readStruct[T any](r *jsonReader, members []jsonMember, v *T) {
	for more := r.opens('{', '}'); more; more = r.goesOn('}') {
		for len(members) > 0 && !r.skip(members[0].head) {
			members = members[1:]
		}
		if len(members) == 0 {
			r.failed = true
			return
		}
		readMember(r, &members[0], v)
		members = members[1:]
	}
}

func readMember[T any](r *jsonReader, m *jsonMember, v *T) {
	switch m.slot.form {
	case formFloat:
		*at[*float64](m.slot, v) = new(r.float())
	case formWhole:
		n, err := strconv.ParseInt(string(r.number()), 10, 64)
		r.failed = r.failed || err != nil
		*at[*int64](m.slot, v) = &n
	case formBool:
		*at[*bool](m.slot, v) = new(r.truth())
	case formPlain:
		*at[bool](m.slot, v) = r.truth()
	case formText:
		*at[string](m.slot, v) = r.text()
	case formTime:
		err := at[time.Time](m.slot, v).UnmarshalText(r.quoted())
		r.failed = r.failed || err != nil
	case formTexts:
		*at[[]string](m.slot, v) = readList(r, r.text)
	default:
		switch into := reflect.ValueOf(v).Elem().FieldByIndex(m.index).Addr().Interface().(type) {
		case *map[string]any:
			*into = r.object()
		case *[]Interval:
			*into = readList(r, func() (iv Interval) {
				value := r.value()
				if read, ok := readInterval(value); ok {
					return read
				}
				own := jsonReader{rest: value, failed: r.failed}
				readStruct(&own, intervalMembers(), &iv)
				r.failed = own.failed || len(own.rest) > 0
				return iv
			})
		case **Counters:
			*into = new(Counters)
			r.failed = r.failed || json.Unmarshal(r.value(), *into) != nil
		default:
			r.failed = true
		}
	}
}

// value takes an object as it stands.
func (r *jsonReader) value() []byte {
	depth, quoted := 0, false
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth <= 0 {
				value := r.rest[:i+1]
				r.rest = r.rest[i+1:]
				return value
			}
		}
	}
	r.failed = true
	return nil
}

func readList[T any](r *jsonReader, element func() T) []T {
	l := []T{}
	for more := r.opens('[', ']'); more; more = r.goesOn(']') {
		l = append(l, element())
	}
	return l
}

// opens takes the beginning of an object or list; false for an empty one, which
// it takes whole.
func (r *jsonReader) opens(begin, end byte) bool {
	if r.depth++; r.depth > maxReadDepth || !r.takes(begin) {
		r.failed = true
		return false
	}
	if r.takes(end) {
		r.depth--
		return false
	}
	return true
}

// goesOn takes what stands behind a member: false where the object or list ends.
func (r *jsonReader) goesOn(end byte) bool {
	if r.failed || r.takes(',') {
		return !r.failed
	}
	r.depth--
	r.failed = !r.takes(end)
	return false
}

func (r *jsonReader) takes(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *jsonReader) skip(s string) bool {
	if len(r.rest) < len(s) || string(r.rest[:len(s)]) != s {
		return false
	}
	r.rest = r.rest[len(s):]
	return true
}

func (r *jsonReader) any() any {
	if r.failed || len(r.rest) == 0 {
		r.failed = true
		return nil
	}
	switch r.rest[0] {
	case '"':
		return r.text()
	case '{':
		return r.object()
	case '[':
		return readList(r, r.any)
	case 't', 'f':
		return r.truth()
	case 'n':
		r.failed = !r.skip("null")
		return nil
	default:
		return r.float()
	}
}

func (r *jsonReader) object() map[string]any {
	m := map[string]any{}
	for more := r.opens('{', '}'); more; more = r.goesOn('}') {
		name := r.text()
		r.failed = r.failed || !r.takes(':')
		m[name] = r.any()
	}
	return m
}

func (r *jsonReader) truth() bool {
	if r.skip("true") {
		return true
	}
	r.failed = r.failed || !r.skip("false")
	return false
}

// quoted takes a text and gives what stands between its quotes.
func (r *jsonReader) quoted() []byte {
	if r.failed || !r.takes('"') {
		r.failed = true
		return nil
	}
	for i, c := range r.rest {
		switch {
		case c == '"':
			text := r.rest[:i]
			r.rest = r.rest[i+1:]
			return text
		case c < ' ' || c > '~' || c == '\\':
			r.failed = true
			return nil
		}
	}
	r.failed = true
	return nil
}

func (r *jsonReader) text() string {
	before := *r
	text := r.quoted()
	if !r.failed || before.failed {
		return string(text)
	}
	*r = before
	return r.escaped()
}

// escaped takes a text with escapes or with anything but ASCII in it.
func (r *jsonReader) escaped() (s string) {
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '\\':
			i++
		case '"':
			text := r.rest[:i+1]
			r.rest = r.rest[i+1:]
			r.failed = !utf8.Valid(text) || json.Unmarshal(text, &s) != nil
			return s
		}
	}
	r.failed = true
	return ""
}

func (r *jsonReader) float() float64 {
	f, err := strconv.ParseFloat(string(r.number()), 64)
	r.failed = r.failed || err != nil
	return f
}

// number takes a number; nothing where there is none.
func (r *jsonReader) number() []byte {
	n := 0
	digits := func() bool {
		first := n
		for n < len(r.rest) && '0' <= r.rest[n] && r.rest[n] <= '9' {
			n++
		}
		return n > first
	}
	has := func(one, other byte) bool {
		if n < len(r.rest) && (r.rest[n] == one || r.rest[n] == other) {
			n++
			return true
		}
		return false
	}
	has('-', '-')
	whole := n
	ok := digits() && (r.rest[whole] != '0' || n == whole+1)
	if ok && has('.', '.') {
		ok = digits()
	}
	if ok && has('e', 'E') {
		has('+', '-')
		ok = digits()
	}
	if !ok {
		r.failed = true
		return nil
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}
