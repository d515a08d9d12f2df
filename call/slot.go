package call

import (
	"reflect"
	"slices"
	"time"
	"unsafe"
)

// The fold reads every row of the field table for every event. Offsets into
// Event, worked out once from its type, make that a tenth of what reflection
// costs. Only slot knows about them.

// slot is where the fact of a field lies within an Event, and how it is held.
type slot struct {
	offset uintptr
	form   form
}

type form uint8

const (
	formOther form = iota // lists and objects, folded by code of their own
	formFloat             // *float64
	formWhole             // *int64
	formBool              // *bool
	formPlain             // bool, always known
	formText              // string
	formTime              // time.Time
	formTexts             // []string
)

// formOf returns how a field of type t is stored.
func formOf(t reflect.Type) form {
	switch t {
	case reflect.TypeFor[*float64]():
		return formFloat
	case reflect.TypeFor[*int64]():
		return formWhole
	case reflect.TypeFor[*bool]():
		return formBool
	case reflect.TypeFor[bool]():
		return formPlain
	case reflect.TypeFor[time.Time]():
		return formTime
	case reflect.TypeFor[[]string]():
		return formTexts
	}
	if t.Kind() == reflect.String {
		return formText
	}
	return formOther
}

// at is the fact of e, which is of the type that the slot was made for.
func at[T, E any](s slot, e *E) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(e), s.offset))
}

// known says whether e holds the fact.
func (s slot) known(e *Event) bool {
	switch s.form {
	case formFloat:
		return *at[*float64](s, e) != nil
	case formWhole:
		return *at[*int64](s, e) != nil
	case formBool:
		return *at[*bool](s, e) != nil
	case formText:
		return *at[string](s, e) != ""
	case formTime:
		return !at[time.Time](s, e).IsZero()
	case formTexts:
		return len(*at[[]string](s, e)) > 0
	default:
		return s.form == formPlain
	}
}

// same says whether two events hold the same known fact.
func (s slot) same(a, b *Event) bool {
	switch s.form {
	case formFloat:
		return equal(*at[*float64](s, a), *at[*float64](s, b))
	case formWhole:
		return equal(*at[*int64](s, a), *at[*int64](s, b))
	case formBool:
		return equal(*at[*bool](s, a), *at[*bool](s, b))
	case formPlain:
		return *at[bool](s, a) == *at[bool](s, b)
	case formText:
		return *at[string](s, a) == *at[string](s, b)
	case formTime:
		return at[time.Time](s, a).Equal(*at[time.Time](s, b))
	case formTexts:
		return slices.Equal(*at[[]string](s, a), *at[[]string](s, b))
	default:
		return false
	}
}

func equal[T comparable](a, b *T) bool {
	return a != nil && b != nil && *a == *b
}

// copy gives to the fact of from.
func (s slot) copy(to, from *Event) {
	switch s.form {
	case formFloat:
		*at[*float64](s, to) = *at[*float64](s, from)
	case formWhole:
		*at[*int64](s, to) = *at[*int64](s, from)
	case formBool:
		*at[*bool](s, to) = *at[*bool](s, from)
	case formPlain:
		*at[bool](s, to) = *at[bool](s, from)
	case formText:
		*at[string](s, to) = *at[string](s, from)
	case formTime:
		*at[time.Time](s, to) = *at[time.Time](s, from)
	case formTexts:
		*at[[]string](s, to) = *at[[]string](s, from)
	}
}
