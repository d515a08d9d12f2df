package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"callwatch/call"
)

const (
	examplesPerField = 3
	exampleLength    = 80
)

// flatField is a field of an event: its name as rules have it, down to the
// members of raw, and its value as JSON.
type flatField struct{ name, value string }

// flatEvent lists the known fields of an event, by name.
func flatEvent(e *call.Event) ([]flatField, error) {
	data, err := e.JSON()
	if err != nil {
		return nil, err
	}
	return flatten(data)
}

func flatten(data []byte) ([]flatField, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	var out []flatField
	for name, value := range members {
		var inner map[string]json.RawMessage
		if name == "raw" && json.Unmarshal(value, &inner) == nil {
			for member, v := range inner {
				out = append(out, flatField{"raw." + member, compact(v)})
			}
			continue
		}
		if name != "rawId" { // where the body is stored is not about the call
			out = append(out, flatField{name, compact(value)})
		}
	}
	slices.SortFunc(out, func(a, b flatField) int { return strings.Compare(a.name, b.name) })
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

func shorten(s string) string {
	if r := []rune(s); len(r) > exampleLength {
		return string(r[:exampleLength-3]) + "..."
	}
	return s
}

// fieldDiff is one field that differs between stored and new events.
type fieldDiff struct {
	Field    string         `json:"field"`
	Events   int            `json:"events"` // in how many it differs
	Examples []fieldExample `json:"examples"`
}

// fieldExample is one difference; "" is a field that is absent.
type fieldExample struct {
	RawID  string `json:"rawId"`
	CallID string `json:"callId"`
	Old    string `json:"old,omitempty"` // as JSON, shortened
	New    string `json:"new,omitempty"`
}

// fieldDiffs adds up differences by field.
type fieldDiffs map[string]*fieldDiff

// compare notes how two events differ and says whether they do.
func (d fieldDiffs) compare(rawID string, stored, made []byte) (bool, error) {
	if bytes.Equal(stored, made) {
		return false, nil
	}
	was, err := flatten(stored)
	if err != nil {
		return false, err
	}
	is, err := flatten(made)
	if err != nil {
		return false, err
	}
	old, callID := map[string]string{}, ""
	for _, f := range was {
		old[f.name] = f.value
	}
	for _, f := range is {
		if f.name == "callId" {
			callID = strings.Trim(f.value, `"`)
		}
	}
	differ := false
	note := func(name, before, after string) {
		differ = true
		d.note(name, fieldExample{RawID: rawID, CallID: callID, Old: shorten(before), New: shorten(after)})
	}
	for _, f := range is {
		if before, ok := old[f.name]; !ok || before != f.value {
			note(f.name, before, f.value)
		}
		delete(old, f.name)
	}
	for name, before := range old {
		note(name, before, "")
	}
	return differ, nil
}

func (d fieldDiffs) note(name string, x fieldExample) {
	f := d[name]
	if f == nil {
		f = &fieldDiff{Field: name}
		d[name] = f
	}
	if f.Events++; len(f.Examples) < examplesPerField {
		f.Examples = append(f.Examples, x)
	}
}

// list is the differences, the most frequent first.
func (d fieldDiffs) list() []fieldDiff {
	out := []fieldDiff{}
	for _, f := range d {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b fieldDiff) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Field, b.Field))
	})
	return out
}
