package maintenance

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"callwatch/pipeline/eventlog"
)

const examplesPerField = 3

// FieldDiff is one field that differs between stored and new events.
type FieldDiff struct {
	Field    string         `json:"field"`
	Events   int            `json:"events"` // in how many it differs
	Examples []FieldExample `json:"examples"`
}

// FieldExample is one difference; "" is a field that is absent.
type FieldExample struct {
	RawID  string `json:"rawId"`
	CallID string `json:"callId"`
	Old    string `json:"old,omitempty"` // as JSON, shortened
	New    string `json:"new,omitempty"`
}

// fieldDiffs adds up differences by field.
type fieldDiffs map[string]*FieldDiff

// compare notes how two events differ and says whether they do.
func (d fieldDiffs) compare(rawID string, stored, made []byte) (bool, error) {
	if bytes.Equal(stored, made) {
		return false, nil
	}
	was, err := eventlog.FieldsOf(stored)
	if err != nil {
		return false, err
	}
	is, err := eventlog.FieldsOf(made)
	if err != nil {
		return false, err
	}
	old, callID := map[string]string{}, ""
	for _, f := range was {
		old[f.Name] = f.Value
	}
	for _, f := range is {
		if f.Name == "callId" {
			callID = strings.Trim(f.Value, `"`)
		}
	}
	differ := false
	note := func(name, before, after string) {
		differ = true
		d.note(name, FieldExample{RawID: rawID, CallID: callID, Old: eventlog.Shorten(before), New: eventlog.Shorten(after)})
	}
	for _, f := range is {
		if before, ok := old[f.Name]; !ok || before != f.Value {
			note(f.Name, before, f.Value)
		}
		delete(old, f.Name)
	}
	for name, before := range old {
		note(name, before, "")
	}
	return differ, nil
}

func (d fieldDiffs) note(name string, x FieldExample) {
	f := d[name]
	if f == nil {
		f = &FieldDiff{Field: name}
		d[name] = f
	}
	if f.Events++; len(f.Examples) < examplesPerField {
		f.Examples = append(f.Examples, x)
	}
}

// list is the differences, the most frequent first.
func (d fieldDiffs) list() []FieldDiff {
	out := []FieldDiff{}
	for _, f := range d {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b FieldDiff) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), strings.Compare(a.Field, b.Field))
	})
	return out
}
