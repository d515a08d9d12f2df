package normalizer

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// at follows member names; the zero node where one is missing.
func (n node) at(path ...string) node {
	for _, name := range path {
		switch {
		case n.doc == nil:
			m, _ := n.v.(map[string]any)
			n = node{v: m[name]}
		case n.isObject():
			n = n.doc.member(n.cell, name)
		default:
			return node{}
		}
	}
	return n
}

// or is n where it holds something, else the other: two names of one member.
func (n node) or(other node) node {
	if n.isNull() || n.v == "" || n.is(kindText) && n.place().start == n.place().end {
		return other
	}
	return n
}

func (n node) isObject() bool { _, ok := n.v.(map[string]any); return ok || n.is(kindObject) }
func (n node) isList() bool   { _, ok := n.v.([]any); return ok || n.is(kindList) }
func (n node) isNull() bool   { return n.v == nil && n.doc == nil }

// list is the elements of an array, nil for anything else.
func (n node) list() []node {
	if n.is(kindList) {
		out := make([]node, 0, n.place().start)
		n.doc.within(n.cell, func(_ string, e node) bool { out = append(out, e); return true })
		return out
	}
	l, _ := n.v.([]any)
	out := make([]node, len(l))
	for i, v := range l {
		out[i] = node{v: v}
	}
	return out
}

// text is a text or the digits of a number, trimmed; "" where absent.
func (n node) text() string {
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

// number is a finite number or a text that reads as one.
func (n node) number() *float64 {
	f, ok := n.float()
	if !ok {
		return nil
	}
	return &f
}

// positive is a number above 0: for sources that write 0 for unknown.
func (n node) positive() *float64 {
	if f := n.number(); f != nil && *f > 0 {
		return f
	}
	return nil
}

// scaled is a number times factor: a unit converted at the border.
func (n node) scaled(factor float64) *float64 {
	f := n.number()
	if f == nil {
		return nil
	}
	return new(*f * factor)
}

// integer is a whole number, or the whole part of one given with decimals, if
// it fits.
func (n node) integer() *int64 {
	i, ok := n.whole()
	if !ok {
		return nil
	}
	return &i
}

// count is an integer of 0 or more.
func (n node) count() *int64 {
	if i := n.integer(); i != nil && *i >= 0 {
		return i
	}
	return nil
}

// truth is a JSON truth value or the texts true and false.
func (n node) truth() *bool {
	if n.isObject() || n.isList() {
		return nil
	}
	switch v := n.value().(type) {
	case bool:
		return &v
	case string:
		if b, err := strconv.ParseBool(strings.TrimSpace(strings.ToLower(v))); err == nil {
			return &b
		}
	}
	return nil
}

// texts is a list of texts, or one text as a list.
func (n node) texts() []string {
	if s := n.text(); s != "" {
		return []string{s}
	}
	var out []string
	for _, e := range n.list() {
		if s := e.text(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// time is a time written as text; zero where absent or unreadable.
func (n node) time() time.Time {
	if b, ok := n.bytes(); ok {
		return parseTime(string(b))
	}
	return parseTime(n.text())
}

// unix is a time given as a number of units since 1970, as number or text, to
// the microsecond, which is as fine as a float tells; 0 is absent.
func (n node) unix(unit time.Duration) time.Time {
	f := n.positive()
	if f == nil || *f > float64(math.MaxInt64)/float64(unit) {
		return time.Time{}
	}
	t := time.Unix(0, int64(*f*float64(unit))).Round(time.Microsecond).UTC()
	if !plausible(t) {
		return time.Time{}
	}
	return t
}

// foldWord brings a provider's word to one spelling: lower case, hyphens, so that
// no_answer, noAnswer and no-answer compare equal.
func foldWord(s string) string {
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
