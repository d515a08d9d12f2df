package condition

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"callwatch/call"
)

// kind is the kind of a value; the zero kind is unknown.
type kind uint8

const (
	unknown kind = iota
	failed       // a run-time error, kept in the frame
	boolean
	number
	text
	instant
	list
	object
	interval
	bounded // a number known to lie between two ends

	// Static only.
	dynamic // a member of raw: its type is known at run time
	null    // the literal nil
	invalid // a problem was reported already
)

// value is one value of an evaluation. Numbers are float64 throughout: whole
// numbers are exact up to 2^53.
type value struct {
	kind  kind
	truth bool
	num   float64
	when  int64 // unix nanoseconds; of a bounded number, the bits of its upper end (num is the lower)
	text  string
	ref   any // list: *[]string, *[]call.Interval, []any, *items, *span; object: map[string]any; interval: *call.Interval
}

// items is a list made by the expression itself.
type items struct {
	values []value
	texts  map[string]bool // set where every element is a literal text
	unsure []bool          // elements that may not be part of the list; nil: all are
}

// span is the whole numbers from lo to hi.
type span struct{ lo, hi int }

func ofBool(b bool) value      { return value{kind: boolean, truth: b} }
func ofNumber(f float64) value { return value{kind: number, num: f} }
func ofText(s string) value    { return value{kind: text, text: s} }

func ofTime(t time.Time) value {
	if t.IsZero() {
		return value{}
	}
	return value{kind: instant, when: t.UnixNano()}
}

// known says whether v is neither unknown nor an error.
func (v value) known() bool { return v.kind > failed }

// single reports whether v is one value: not unknown, not bounded, and no list with
// elements that may not be part of it.
func (v value) single() bool {
	return v.known() && v.kind != bounded && (v.kind != list || v.lengthBounds().Single())
}

// verdict is the outcome of a condition.
type verdict uint8

const (
	unsure verdict = iota // it cannot be told
	broken                // a run-time error
	no
	yes
)

func judged(b bool) verdict {
	if b {
		return yes
	}
	return no
}

func (v value) verdict() verdict {
	switch v.kind {
	case boolean:
		return judged(v.truth)
	case failed:
		return broken
	default:
		return unsure
	}
}

// not is Kleene's: what cannot be told stays so.
func (v verdict) not() verdict {
	if v >= no {
		return no + yes - v
	}
	return v
}

func (v verdict) value() value {
	switch v {
	case unsure:
		return value{}
	case broken:
		return value{kind: failed}
	default:
		return ofBool(v == yes)
	}
}

func (v verdict) truth() Truth {
	switch v {
	case yes:
		return True
	case no:
		return False
	default:
		return Unknown
	}
}

// ofJSON is a member of raw as a value.
func ofJSON(v any) value {
	switch v := v.(type) {
	case string:
		return ofText(v)
	case float64:
		return finite(v)
	case int64:
		return ofNumber(float64(v))
	case int:
		return ofNumber(float64(v))
	case json.Number:
		return parseNumber(string(v))
	case bool:
		return ofBool(v)
	case map[string]any:
		return value{kind: object, ref: v}
	}
	if _, ok := v.([]any); ok {
		return value{kind: list, ref: v}
	}
	return value{}
}

// finite is a number as a value; NaN and infinities are unknown.
func finite(f float64) value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return value{}
	}
	return ofNumber(f)
}

// parseNumber reads a decimal number; unknown where s is none. The characters
// are looked at first because a failed ParseFloat allocates its error.
func parseNumber(s string) value {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 64 || strings.Trim(s, "0123456789+-.eE") != "" {
		return value{}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return value{}
	}
	return finite(f)
}

// number is v as a number, exact or bounded: providers write numbers as text.
// Unknown where v does not read as one; unknown and failed stay what they are.
func (v value) number() value {
	switch v.kind {
	case number, bounded, unknown, failed:
		return v
	case text:
		return parseNumber(v.text)
	default:
		return value{}
	}
}

// size is the number of elements of a list.
func (v value) size() int {
	switch l := v.ref.(type) {
	case *[]string:
		return len(*l)
	case *[]call.Interval:
		return len(*l)
	case []any:
		return len(l)
	case *items:
		return len(l.values)
	case *span:
		return l.hi - l.lo + 1
	}
	return 0
}

// maybe reports whether element i of a list may not be part of it.
func (v value) maybe(i int) bool {
	l, ok := v.ref.(*items)
	return ok && l.unsure != nil && l.unsure[i]
}

// lengthBounds are the least and the greatest number of elements of a list.
func (v value) lengthBounds() Bounds {
	b := Bounds{High: float64(v.size())}
	b.Low = b.High
	if l, ok := v.ref.(*items); ok {
		for _, u := range l.unsure {
			if u {
				b.Low--
			}
		}
	}
	return b
}

// at is element i of a list; i is within its size.
func (v value) at(i int) value {
	switch l := v.ref.(type) {
	case *[]string:
		return ofText((*l)[i])
	case *[]call.Interval:
		return value{kind: interval, ref: &(*l)[i]}
	case []any:
		return ofJSON(l[i])
	case *items:
		return l.values[i]
	case *span:
		return ofNumber(float64(l.lo + i))
	}
	return value{}
}
