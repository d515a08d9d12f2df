package lenient

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// At follows member names; the zero node where one is missing.
func (n Node) At(path ...string) Node {
	for _, name := range path {
		switch {
		case n.doc == nil:
			m, _ := n.v.(map[string]any)
			n = Node{v: m[name]}
		case n.IsObject():
			n = n.doc.member(n.cell, name)
		default:
			return Node{}
		}
	}
	return n
}

// Or is n where it holds something, else the other: two names of one member.
func (n Node) Or(other Node) Node {
	if n.IsNull() || n.v == "" || n.is(kindText) && n.place().start == n.place().end {
		return other
	}
	return n
}

func (n Node) IsObject() bool { _, ok := n.v.(map[string]any); return ok || n.is(kindObject) }
func (n Node) IsList() bool   { _, ok := n.v.([]any); return ok || n.is(kindList) }
func (n Node) IsNull() bool   { return n.v == nil && n.doc == nil }

// List is the elements of an array, nil for anything else.
func (n Node) List() []Node {
	if n.is(kindList) {
		out := make([]Node, 0, n.place().start)
		n.doc.within(n.cell, func(_ string, e Node) bool { out = append(out, e); return true })
		return out
	}
	l, _ := n.v.([]any)
	out := make([]Node, len(l))
	for i, v := range l {
		out[i] = Node{v: v}
	}
	return out
}

// Text is a text or the digits of a number, trimmed; "" where absent.
func (n Node) Text() string {
	if n.is(kindText) || n.is(kindNumber) {
		return strings.TrimSpace(n.doc.textOf(n.place()))
	}
	switch v := n.v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// Number is a finite number or a text that reads as one.
func (n Node) Number() *float64 {
	f, ok := n.Float()
	if !ok {
		return nil
	}
	return &f
}

// Positive is a number above 0: for sources that write 0 for unknown.
func (n Node) Positive() *float64 {
	if f := n.Number(); f != nil && *f > 0 {
		return f
	}
	return nil
}

// Scaled is a number times factor: a unit converted at the border.
func (n Node) Scaled(factor float64) *float64 {
	f := n.Number()
	if f == nil {
		return nil
	}
	return new(*f * factor)
}

// Integer is a whole number, or the whole part of one given with decimals, if
// it fits.
func (n Node) Integer() *int64 {
	i, ok := n.Whole()
	if !ok {
		return nil
	}
	return &i
}

// Count is an integer of 0 or more.
func (n Node) Count() *int64 {
	if i := n.Integer(); i != nil && *i >= 0 {
		return i
	}
	return nil
}

// Truth is a JSON truth value or the texts true and false.
func (n Node) Truth() *bool {
	if n.IsObject() || n.IsList() {
		return nil
	}
	switch v := n.Value().(type) {
	case bool:
		return &v
	case string:
		if b, err := strconv.ParseBool(strings.TrimSpace(strings.ToLower(v))); err == nil {
			return &b
		}
	}
	return nil
}

// Texts is a list of texts, or one text as a list.
func (n Node) Texts() []string {
	if s := n.Text(); s != "" {
		return []string{s}
	}
	var out []string
	for _, e := range n.List() {
		if s := e.Text(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Time is a time written as text; zero where absent or unreadable.
func (n Node) Time() time.Time {
	if b, ok := n.bytes(); ok {
		return parseTime(string(b))
	}
	return parseTime(n.Text())
}

// Unix is a time given as a number of units since 1970, as number or text, to
// the microsecond, which is as fine as a float tells; 0 is absent.
func (n Node) Unix(unit time.Duration) time.Time {
	f := n.Positive()
	if f == nil || *f > float64(math.MaxInt64)/float64(unit) {
		return time.Time{}
	}
	t := time.Unix(0, int64(*f*float64(unit))).Round(time.Microsecond).UTC()
	if !plausible(t) {
		return time.Time{}
	}
	return t
}

// FoldWord brings a provider's word to one spelling: lower case, hyphens, so that
// no_answer, noAnswer and no-answer compare equal.
func FoldWord(s string) string {
	s = strings.TrimSpace(s)
	if isFolded(s) {
		return s
	}
	var b strings.Builder
	prevLower := false
	for _, r := range s {
		switch {
		case r == '_' || r == ' ':
			r = '-'
			prevLower = false
		case r >= 'A' && r <= 'Z':
			if prevLower {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
			prevLower = false
		default:
			prevLower = r >= 'a' && r <= 'z'
		}
		b.WriteRune(r)
	}
	return strings.ReplaceAll(b.String(), "cancelled", "canceled")
}

// isFolded says whether a word is one that folding would leave as it is, as most
// are.
func isFolded(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && !isDigit(c) && c != '-' {
			return false
		}
	}
	return !strings.Contains(s, "cancelled")
}

// IsFalse says whether a member is the JSON value false: an answer's way of
// telling that it holds nothing.
func (n Node) IsFalse(member string) bool {
	ok, isBool := n.At(member).Value().(bool)
	return isBool && !ok
}

// Amount is a number of 0 or more.
func (n Node) Amount() *float64 {
	if f := n.Number(); f != nil && *f >= 0 {
		return f
	}
	return nil
}

// SIPCode is a SIP response code, also given as text; anything else is absent.
func (n Node) SIPCode() *int64 {
	if i := n.Integer(); i != nil && *i >= 100 && *i <= 699 {
		return i
	}
	return nil
}

// Plain is a scalar as programs have it: bool, int where a number is whole and exact,
// else float64, or a text of at most so many bytes. nil for all else.
func (n Node) Plain(most int) any {
	switch v := n.scalar().(type) {
	case string:
		if len(v) > most {
			return nil
		}
		return v
	case json.Number:
		return plainNumber(v.String())
	case bool:
		return v
	}
	return nil
}

// PlainNumber is a number, or a text that reads as one: int where it is whole and exact,
// else float64; nil for all else.
func (n Node) PlainNumber() any { return plainNumber(n.Text()) }

func plainNumber(s string) any {
	if i, err := strconv.Atoi(s); err == nil && i > -(1<<53) && i < 1<<53 {
		return i
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

// scalar is the value of what is neither object nor list.
func (n Node) scalar() any {
	if n.IsObject() || n.IsList() {
		return nil
	}
	return n.Value()
}
