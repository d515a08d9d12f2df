package rules

import (
	"encoding/json"
	"strconv"
	"strings"

	"callwatch/call"
)

// LabelsOf returns the values of `by` for a call. An unknown value is empty.
func (r *Rule) LabelsOf(e *call.Event) []Label {
	labels := make([]Label, len(r.KeyFields))
	for i := range r.KeyFields {
		labels[i].Name = r.KeyFields[i].Name
		if t := r.KeyTables[i]; t != nil {
			labels[i].Value = t.Lookup(e)
		} else {
			labels[i].Value = r.KeyFields[i].Format(e)
		}
	}
	return labels
}

// JoinLabels joins the values of labels to the text of a key. No two lists of values
// give the same text.
func JoinLabels(labels []Label) string {
	n := 0
	for _, l := range labels {
		n += len(l.Value) + 1
	}
	b := make([]byte, 0, n)
	for i, l := range labels {
		if i > 0 {
			b = append(b, 0)
		}
		b = appendValue(b, l.Value)
	}
	return string(b)
}

// AppendKey writes the key of a call, the values of its labels joined.
func (r *Rule) AppendKey(b []byte, e *call.Event) []byte {
	for i := range r.KeyFields {
		if i > 0 {
			b = append(b, 0)
		}
		if t := r.KeyTables[i]; t != nil {
			b = appendValue(b, t.Lookup(e))
			continue
		}
		f := &r.KeyFields[i]
		if s, ok := f.Text(e); ok {
			b = appendValue(b, s)
		} else if n, ok := f.Number(e); ok {
			b = strconv.AppendInt(b, int64(n), 10)
		} else if t, ok := f.Truth(e); ok {
			b = strconv.AppendBool(b, t)
		}
	}
	return b
}

// keyEscape comes before a byte of a value that would otherwise end the value, or
// be taken for itself, plus one.
const keyEscape = 1

// appendValue writes one value of a key. Providers choose the values: no two lists
// of them may give the same key.
func appendValue(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] <= keyEscape {
			b = append(b, keyEscape, s[i]+1)
		} else {
			b = append(b, s[i])
		}
	}
	return b
}

// unescaped reads what appendValue wrote.
func unescaped(s string) string {
	if strings.IndexByte(s, keyEscape) < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == keyEscape && i+1 < len(s) {
			i++
			c = s[i] - 1
		}
		b = append(b, c)
	}
	return string(b)
}

// KeyLabels splits a key into the labels it was joined from.
func (r *Rule) KeyLabels(key string) []Label {
	labels := make([]Label, len(r.By))
	if len(labels) == 0 {
		return labels
	}
	values := strings.SplitN(key, "\x00", len(r.By))
	for i, name := range r.By {
		labels[i].Name = name
		if i < len(values) {
			labels[i].Value = unescaped(values[i])
		}
	}
	return labels
}

// CallOfKey is a call of which only the fields of a key are known: what an
// incident about many calls, or about none, has in their place.
func (r *Rule) CallOfKey(key string) call.Event {
	known := map[string]any{}
	for i, l := range r.KeyLabels(key) {
		if l.Value == "" || r.KeyTables[i] != nil {
			continue
		}
		known[l.Name] = l.Value
		if t := r.KeyFields[i].Type; t == call.Integer || t == call.Bool {
			known[l.Name] = json.RawMessage(l.Value)
		}
	}
	var e call.Event
	b, err := json.Marshal(known)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return call.Event{}
	}
	return e
}
