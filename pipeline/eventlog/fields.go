package eventlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"callwatch/call"
)

// Field is a field of an event: its name as rules have it, down to the members of
// raw, and its value as JSON.
type Field struct{ Name, Value string }

// Fields lists the known fields of an event, by name.
func Fields(e *call.Event) ([]Field, error) {
	data, err := e.JSON()
	if err != nil {
		return nil, err
	}
	return FieldsOf(data)
}

// FieldsOf lists the fields of an event as it is stored, by name.
func FieldsOf(data []byte) ([]Field, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	var out []Field
	for name, value := range members {
		var inner map[string]json.RawMessage
		if name == "raw" && json.Unmarshal(value, &inner) == nil {
			for member, v := range inner {
				out = append(out, Field{"raw." + member, compact(v)})
			}
			continue
		}
		if name != "rawId" { // where the body is stored is not about the call
			out = append(out, Field{name, compact(value)})
		}
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// compact writes a value in one way, whatever the order of its members.
func compact(v json.RawMessage) string {
	var any any
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if d.Decode(&any) != nil {
		return string(v)
	}
	b, err := json.Marshal(any)
	if err != nil {
		return string(v)
	}
	return string(b)
}

// shownLength is the length of a shortened value in characters.
const shownLength = 80

// Shorten cuts a value to what a line can show.
func Shorten(s string) string {
	if r := []rune(s); len(r) > shownLength {
		return string(r[:shownLength-3]) + "..."
	}
	return s
}
