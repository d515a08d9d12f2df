package names

import (
	"strconv"
	"strings"
)

// EscapeHeader writes s as CloudEvents asks for header values: whatever is not
// printable ASCII, and space, quote and percent, as percent and two hex digits.
func EscapeHeader(s string) string {
	return escape(s, '%', func(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '%' })
}

// UnescapeHeader undoes EscapeHeader. What it did not write gives "".
func UnescapeHeader(s string) string {
	v, _ := unescape(s, '%')
	return v
}

// Token writes s as one token of a subject or a key: letters, digits, - and _
// stay, other bytes become = and two hex digits.
func Token(s string) string {
	if s == "" {
		return "="
	}
	return escape(s, '=', func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
	})
}

// Untoken undoes Token; ok is false for what Token never writes.
func Untoken(s string) (text string, ok bool) {
	if s == "=" {
		return "", true
	}
	return unescape(s, '=')
}

func escape(s string, mark byte, plain func(byte) bool) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, mark, hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func unescape(s string, mark byte) (string, bool) {
	if strings.IndexByte(s, mark) < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != mark {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b, i = append(b, byte(v)), i+2
	}
	return string(b), true
}
