package call

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Type is the type of a field as a rule sees it.
type Type string

const (
	Number  Type = "number"  // float64
	Integer Type = "integer" // int64
	Bool    Type = "bool"
	Text    Type = "text"
	Time    Type = "time"
	Strings Type = "strings" // list of texts
	List    Type = "list"    // list of intervals
	Object  Type = "object"  // the provider's own members
)

// Field is one row of the field table.
type Field struct {
	Name    string   // as in JSON and in rules
	Type    Type     //
	Unit    string   // ms, s, %, packets, MOS ...; empty for none
	Doc     string   // one sentence
	Enum    []string // the possible texts, where they are known
	Case    string   // lower or upper: how its texts are written, where that is known
	Length  int      // letters that its texts have, where that is known
	Seconds float64  // a limit in ms below this one was meant in seconds; 0: below 1
	Min     *float64 // smallest possible number, nil for none
	Max     *float64 // largest possible number, nil for none

	fold  foldRule
	index []int // within Event
	slot  slot
}

type foldRule string

const (
	foldLatest foldRule = ""      // the later known value
	foldSum    foldRule = "sum"   // a counter that may be cumulative per stream
	foldMOS    foldRule = "mos"   // moves with the MOS that won
	foldEnded  foldRule = "ended" // kept from the end of the call
	foldFirst  foldRule = "first" // a moment that happens once: the earliest known
	foldSpan   foldRule = "span"  // between two moments: follows them, unless a provider measured it
	foldOwn    foldRule = "own"   // folded by code of its own
)

// Fields is the field table, in the order of the declaration.
func Fields() []Field { return fieldTable() }

// Lookup finds a field by its name.
func Lookup(name string) (Field, bool) {
	for _, f := range fieldTable() {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

var fieldTable = sync.OnceValue(func() []Field {
	return appendFields(nil, reflect.TypeFor[Event](), nil, 0)
})

// fieldPlaces is the place of each field in the table, by its name.
var fieldPlaces = sync.OnceValue(func() map[string]int {
	places := map[string]int{}
	for i, f := range fieldTable() {
		places[f.Name] = i
	}
	return places
})

func appendFields(fields []Field, t reflect.Type, parent []int, offset uintptr) []Field {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(append([]int(nil), parent...), i)
		if sf.Anonymous {
			fields = appendFields(fields, sf.Type, index, offset+sf.Offset)
			continue
		}
		doc := sf.Tag.Get("doc")
		if doc == "" {
			continue // of no use in a rule
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		f := Field{
			Name: name, Type: typeOf(sf), Unit: sf.Tag.Get("unit"), Doc: doc,
			fold: foldRule(sf.Tag.Get("fold")), index: index, slot: slot{offset + sf.Offset, formOf(sf.Type)},
		}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.Enum = strings.Split(enum, ",")
		}
		f.Case = sf.Tag.Get("case")
		f.Length = int(tagNumber(sf, "length"))
		f.Seconds = tagNumber(sf, "seconds")
		f.Min, f.Max = parseRange(sf.Tag.Get("range"))
		if len(parent) == 0 || t == reflect.TypeFor[Identity]() && ownFold[name] {
			f.fold = foldOwn
		}
		fields = append(fields, f)
	}
	return fields
}

// tagNumber is a number in a tag of the declaration, 0 for none.
func tagNumber(sf reflect.StructField, name string) float64 {
	v, err := strconv.ParseFloat(sf.Tag.Get(name), 64)
	if err != nil {
		return 0
	}
	return v
}

// ownFold names the identity fields that Fold treats by code of its own.
var ownFold = map[string]bool{
	"id": true, "provider": true, "account": true, "kind": true, "callId": true,
	"occurredAt": true, "receivedAt": true, "final": true,
}

func typeOf(sf reflect.StructField) Type {
	if t := sf.Tag.Get("field"); t != "" {
		return Type(t)
	}
	t := sf.Type
	if t == reflect.TypeFor[time.Time]() {
		return Time
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Float64:
		return Number
	case reflect.Int64:
		return Integer
	case reflect.Bool:
		return Bool
	default:
		return Text
	}
}

func parseRange(s string) (lo, hi *float64) {
	from, to, ok := strings.Cut(s, "..")
	if !ok {
		return nil, nil
	}
	bound := func(s string) *float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil
		}
		return &v
	}
	return bound(from), bound(to)
}

// Value is the field of e: the zero Value of type any where it is unknown.
// Numbers come as float64 or int64, the rest as bool, string, time.Time,
// []string, []Interval or map[string]any.
func (f *Field) Value(e *Event) any {
	v := f.of(e)
	if !known(v) {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		return v.String()
	}
	return v.Interface()
}

// Known says whether the field of e holds a fact.
func (f *Field) Known(e *Event) bool { return known(f.of(e)) }

// Number is a numeric field of e without allocating; false where it is unknown
// or not a number.
func (f *Field) Number(e *Event) (float64, bool) {
	switch f.slot.form {
	case formFloat:
		if v := *at[*float64](f.slot, e); v != nil {
			return *v, true
		}
	case formWhole:
		if v := *at[*int64](f.slot, e); v != nil {
			return float64(*v), true
		}
	}
	return 0, false
}

// Text is a text field of e; false where it is unknown or not a text.
func (f *Field) Text(e *Event) (string, bool) {
	if f.slot.form != formText {
		return "", false
	}
	v := *at[string](f.slot, e)
	return v, v != ""
}

// Truth is a truth value of e; false twice where it is unknown or no truth value.
func (f *Field) Truth(e *Event) (value, ok bool) {
	switch f.slot.form {
	case formPlain:
		return *at[bool](f.slot, e), true
	case formBool:
		if v := *at[*bool](f.slot, e); v != nil {
			return *v, true
		}
	}
	return false, false
}

// Format returns the field of e as text: numbers without an exponent, times in
// RFC 3339 and UTC. It is empty for an unknown field, a list and a map.
func (f *Field) Format(e *Event) string {
	switch v := f.Value(e).(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	default:
		return ""
	}
}

// Time is a time field of e without allocating; the zero time where it is
// unknown or not a time.
func (f *Field) Time(e *Event) time.Time {
	if f.slot.form != formTime {
		return time.Time{}
	}
	return *at[time.Time](f.slot, e)
}

// Texts is a list of texts of e, not copied; nil where it is unknown or not
// such a list.
func (f *Field) Texts(e *Event) []string {
	if f.slot.form != formTexts {
		return nil
	}
	return *at[[]string](f.slot, e)
}

// Set gives the field of e a value as Value returns it; nil makes it unknown. It
// reports false, and changes nothing, if the value is of another type, or the field
// is a list of intervals or an object.
func (f *Field) Set(e *Event, v any) bool {
	var none Event
	if v == nil {
		f.slot.copy(e, &none)
		return f.slot.form != formOther
	}
	switch v := v.(type) {
	case float64:
		if f.slot.form == formFloat {
			*at[*float64](f.slot, e) = &v
			return true
		}
	case int64:
		if f.slot.form == formWhole {
			*at[*int64](f.slot, e) = &v
			return true
		}
	case bool:
		switch f.slot.form {
		case formBool:
			*at[*bool](f.slot, e) = &v
			return true
		case formPlain:
			*at[bool](f.slot, e) = v
			return true
		}
	case string:
		if f.slot.form == formText {
			*at[string](f.slot, e) = v
			return true
		}
	case time.Time:
		if f.slot.form == formTime {
			*at[time.Time](f.slot, e) = v
			return true
		}
	case []string:
		if f.slot.form == formTexts {
			*at[[]string](f.slot, e) = v
			return true
		}
	}
	return false
}

func (f *Field) of(e *Event) reflect.Value {
	v := reflect.ValueOf(e).Elem()
	for _, i := range f.index {
		v = v.Field(i)
	}
	return v
}

// known says whether v holds a fact. A plain bool (final) is always known.
func known(v reflect.Value) bool {
	if v.Kind() == reflect.Bool {
		return true
	}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() > 0
	}
	return !v.IsZero()
}
