// Package phonetext finds telephone numbers in text, however they are written and
// encoded. It knows numbering plans from the phone-number library, and imports nothing
// of callwatch.
package phonetext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Places say for each byte of a text that was made plain, and for its end, where it
// comes from; nil: from the same place.
type Places []int

// Of is the place of a byte, or of the end.
func (p Places) Of(i int) int {
	if p == nil {
		return i
	}
	return p[i]
}

// of are the places in the text that p leads to.
func (p Places) of(q Places) Places {
	if p == nil || q == nil {
		if p == nil {
			return q
		}
		return p
	}
	for i := range q {
		q[i] = p[q[i]]
	}
	return q
}

// fold makes digits, spaces, dashes and the plus sign of any script plain, and
// leaves out what cannot be seen.
func fold(s string) (plain string, at Places) {
	if plainASCII(s) {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	at = make(Places, 0, len(s)+1)
	for i, r := range s {
		switch {
		case r < utf8.RuneSelf && r >= ' ':
			b.WriteByte(byte(r))
			at = append(at, i)
			continue
		case unicode.IsSpace(r):
			r = ' '
		case unicode.IsDigit(r):
			r = '0' + digitValue(r)
		case unicode.Is(unicode.Pd, r) || r == '\u2212' || r == '\u2043':
			r = '-'
		case r >= '\uFF08' && r <= '\uFF0F':
			r += '(' - '\uFF08'
		case invisible(r):
			continue
		}
		for range utf8.RuneLen(r) {
			at = append(at, i)
		}
		b.WriteRune(r)
	}
	return b.String(), append(at, len(s))
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// digitValue is that of a decimal digit: those of a script follow each other.
func digitValue(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return (r - rune(t.Lo)) % 10
		}
	}
	return 0
}

// invisible are format characters, marks on another character, and fillers.
func invisible(r rune) bool {
	switch r {
	case '\u115F', '\u1160', '\u3164', '\uFFA0':
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me)
}

// Text is what numbers are looked for in: a text with its escapes decoded and folded.
type Text struct {
	plain string
	at    Places
}

// Read decodes a text.
func Read(s string) Text {
	plain, at := Decode(s)
	return Text{plain, at}
}

// Decode decodes percent-encoding and the escapes of JSON, in one another as well, and
// folds what results.
func Decode(s string) (plain string, at Places) {
	const layers = 4 // such as an address in JSON in a form
	for range layers {
		next, from := unescape(s)
		if from == nil {
			break
		}
		s, at = next, at.of(from)
	}
	plain, from := fold(s)
	return plain, at.of(from)
}

// unescape takes one layer of escapes off; at is nil where there are none.
func unescape(s string) (plain string, at Places) {
	i := strings.IndexAny(s, `%\`)
	if i < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	last, changed := 0, false // up to where s is copied
	copied := func(to int) {
		for j := last; j < to; j++ {
			at = append(at, j)
		}
		b = append(b, s[last:to]...)
	}
	for ; i < len(s); i++ {
		if s[i] != '%' && s[i] != '\\' {
			continue
		}
		c, size := escaped(s[i:])
		if size == 0 {
			continue
		}
		if !changed {
			at, changed = make(Places, 0, len(s)+1), true
		}
		copied(i)
		if s[i] == '%' {
			b = append(b, byte(c))
		} else {
			b = utf8.AppendRune(b, c)
		}
		for len(at) < len(b) {
			at = append(at, i)
		}
		last = i + size
		i = last - 1
	}
	if !changed {
		return s, nil
	}
	copied(len(s))
	return string(b), append(at, len(s))
}

// escaped reads the escape that a text begins with: a byte of percent-encoding or a
// character of JSON. size is 0 where it is none.
func escaped(s string) (c rune, size int) {
	if s[0] == '%' {
		if len(s) < 3 {
			return 0, 0
		}
		high, low := hexDigit(s[1]), hexDigit(s[2])
		if high < 0 || low < 0 {
			return 0, 0
		}
		return rune(high<<4 | low), 3
	}
	n := 1
	for n < len(s) && s[n] == '\\' { // escaped itself
		n++
	}
	if n == len(s) {
		return 0, 0
	}
	switch s[n] {
	case 'n', 'r', 't':
		return ' ', n + 1
	case '"', '/':
		return rune(s[n]), n + 1
	case 'u':
		if c, ok := hexRune(s[n+1:]); ok {
			return surrogates(c, s, n)
		}
	}
	return 0, 0
}

// surrogates joins c, which the escape with n backslashes begins with, and the escape
// behind it where they are one character.
func surrogates(c rune, s string, n int) (rune, int) {
	end := n + 5
	if c >= 0xD800 && c < 0xDC00 {
		if rest, ok := strings.CutPrefix(s[end:], s[:n+1]); ok {
			if low, ok := hexRune(rest); ok && low >= 0xDC00 && low < 0xE000 {
				return (c-0xD800)<<10 + (low - 0xDC00) + 0x10000, end + n + 5
			}
		}
	}
	return c, end
}

func hexRune(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 32)
	return rune(n), err == nil //nolint:gosec // 16 bits
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
