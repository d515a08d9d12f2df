package call

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// JSON is the event as published, one object in the form of the field table:
// byte by byte what encoding/json writes, in a fraction of its time. What this
// does not know is left to that, errors included.
func (e *Event) JSON() ([]byte, error) {
	const usual, interval = 2 << 10, 384 // bytes
	w := jsonWriter{buf: make([]byte, 0, usual+interval*len(e.Intervals))}
	writeStruct(&w, eventMembers(), e)
	if w.failed {
		return json.Marshal(e)
	}
	return w.buf, nil
}

// jsonMember is a member of an object, as the tag of its field says.
type jsonMember struct {
	head  string // its name, quoted, and the colon
	kept  bool   // also where it is unknown
	slot  slot
	index []int
}

var (
	eventMembers    = sync.OnceValue(func() []jsonMember { return jsonMembers(nil, reflect.TypeFor[Event](), nil, 0) })
	intervalMembers = sync.OnceValue(func() []jsonMember { return jsonMembers(nil, reflect.TypeFor[Interval](), nil, 0) })
)

func jsonMembers(members []jsonMember, t reflect.Type, parent []int, offset uintptr) []jsonMember {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(append([]int(nil), parent...), i)
		if sf.Anonymous {
			members = jsonMembers(members, sf.Type, index, offset+sf.Offset)
			continue
		}
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		members = append(members, jsonMember{
			head: `"` + name + `":`, kept: options == "", slot: slot{offset + sf.Offset, formOf(sf.Type)}, index: index,
		})
	}
	return members
}

// jsonWriter appends JSON to a buffer.
type jsonWriter struct {
	buf    []byte
	sorted []jsonValue // members of the objects that are being written
	failed bool        // something cannot be written
}

type jsonValue struct {
	name  string
	value any
}

// writeStruct writes the object that a struct is; members is the table of its type.
func writeStruct[T any](w *jsonWriter, members []jsonMember, v *T) {
	w.buf = append(w.buf, '{')
	for i := range members {
		switch m := &members[i]; m.slot.form {
		case formFloat:
			if p := *at[*float64](m.slot, v); p != nil {
				w.head(m)
				w.float(*p)
			}
		case formWhole:
			if p := *at[*int64](m.slot, v); p != nil {
				w.head(m)
				w.buf = strconv.AppendInt(w.buf, *p, 10)
			}
		case formBool:
			if p := *at[*bool](m.slot, v); p != nil {
				w.head(m)
				w.buf = strconv.AppendBool(w.buf, *p)
			}
		case formPlain:
			if b := *at[bool](m.slot, v); b || m.kept {
				w.head(m)
				w.buf = strconv.AppendBool(w.buf, b)
			}
		case formText:
			if s := *at[string](m.slot, v); s != "" || m.kept {
				w.head(m)
				w.text(s)
			}
		case formTime:
			if t := *at[time.Time](m.slot, v); !t.IsZero() {
				w.head(m)
				w.time(t)
			}
		case formTexts:
			if l := *at[[]string](m.slot, v); len(l) > 0 {
				w.head(m)
				writeList(w, l, func(s *string) { w.text(*s) })
			}
		default:
			other := reflect.ValueOf(v).Elem().FieldByIndex(m.index)
			if !known(other) {
				continue
			}
			w.head(m)
			if l, ok := other.Interface().([]Interval); ok {
				writeList(w, l, func(iv *Interval) { writeStruct(w, intervalMembers(), iv) })
			} else {
				w.any(other.Interface())
			}
		}
	}
	w.buf = append(w.buf, '}')
}

func writeList[T any](w *jsonWriter, l []T, write func(*T)) {
	w.buf = append(w.buf, '[')
	for i := range l {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		write(&l[i])
	}
	w.buf = append(w.buf, ']')
}

// head begins a member.
func (w *jsonWriter) head(m *jsonMember) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, m.head...)
}

func (w *jsonWriter) any(v any) {
	switch v := v.(type) {
	case string:
		w.text(v)
	case float64:
		w.float(v)
	case bool:
		w.buf = strconv.AppendBool(w.buf, v)
	case map[string]any:
		w.object(v)
	case []any:
		if v == nil {
			w.other(v)
			return
		}
		writeList(w, v, func(v *any) { w.any(*v) })
	default:
		w.other(v)
	}
}

// other leaves a value to encoding/json.
func (w *jsonWriter) other(v any) {
	text, err := json.Marshal(v)
	w.failed = w.failed || err != nil
	w.buf = append(w.buf, text...)
}

// object writes the members in the order of their names.
func (w *jsonWriter) object(m map[string]any) {
	if m == nil {
		w.other(m)
		return
	}
	first := len(w.sorted)
	w.sorted = slices.Grow(w.sorted, len(m))
	for name, v := range m {
		w.sorted = append(w.sorted, jsonValue{name, v})
	}
	slices.SortFunc(w.sorted[first:], func(a, b jsonValue) int { return strings.Compare(a.name, b.name) })
	w.buf = append(w.buf, '{')
	for i := first; i < first+len(m); i++ {
		if i > first {
			w.buf = append(w.buf, ',')
		}
		w.text(w.sorted[i].name)
		w.buf = append(w.buf, ':')
		w.any(w.sorted[i].value)
	}
	w.buf = append(w.buf, '}')
	w.sorted = w.sorted[:first]
}

func (w *jsonWriter) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.other(s)
			return
		}
	}
	w.buf = append(append(append(w.buf, '"'), s...), '"')
}

func (w *jsonWriter) float(f float64) {
	const whole = 1 << 53 // below this every integer is a float64
	switch abs := math.Abs(f); {
	case abs >= 1 && abs < whole && f == math.Trunc(f):
		w.buf = strconv.AppendInt(w.buf, int64(f), 10)
	case abs >= 1e-6 && abs < 1e21:
		w.buf = strconv.AppendFloat(w.buf, f, 'f', -1, 64)
	default:
		w.other(f)
	}
}

func (w *jsonWriter) time(t time.Time) {
	text, err := t.AppendText(append(w.buf, '"'))
	if err != nil {
		w.failed = true
		return
	}
	w.buf = append(text, '"')
}
