package spelling

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	token     = regexp.MustCompile(`(?:Operator|Identifier|Number|String|Bracket|Bytes)\((".*")\)`)
	badNumber = regexp.MustCompile(`^(?:invalid (?:integer|float) literal|bad number syntax).*"([^"]*)"`)
	badSign   = regexp.MustCompile(`^unrecognized character: U\+([0-9A-F]+)`)
)

// Tokens is what expr-lang's parser says, without the names of its tokens.
func Tokens(message string) string {
	message = token.ReplaceAllString(message, "$1")
	return strings.NewReplacer("token EOF", "end", "token ", "").Replace(message)
}

// Scanned words what expr-lang's scanner says of a number or a sign that it cannot
// read, and what to write instead; false for anything else.
func Scanned(message string) (said, hint string, ok bool) {
	if m := badNumber.FindStringSubmatch(message); m != nil {
		if strings.Contains(message, "out of range") {
			return "the number " + m[1] + " is too large", "", true
		}
		return m[1] + " is not a number", "numbers are written 30, 3.5 or 1e6", true
	}
	if m := badSign.FindStringSubmatch(message); m != nil {
		if r, err := strconv.ParseInt(m[1], 16, 32); err == nil {
			return fmt.Sprintf("the character %q (U+%s) is not part of conditions", rune(r), m[1]), plainSign(rune(r)), true
		}
	}
	return "", "", false
}

// plainSign is what to write instead of a sign that a word processor or another
// keyboard writes.
func plainSign(r rune) string {
	const fullWidth = 0xFEE0 // how far the signs of full width are from those of ASCII
	switch {
	case strings.ContainsRune("\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb\u00b4", r):
		return `quotes are straight: "opus"`
	case strings.ContainsRune("\u2007\u202f\u200b\u2060\ufeff\u3000", r):
		return "write an ordinary space"
	case r > fullWidth+' ' && r <= fullWidth+'~':
		return fmt.Sprintf("write %c", r-fullWidth)
	}
	if sign := map[rune]string{'\u2264': "<=", '\u2265': ">=", '\u2260': "!=", '\u00d7': "*", '\u00f7': "/", '\u2212': "-", '\u2013': "-", '\u2014': "-", '\u2227': "&&", '\u2228': "||", '\u00ac': "not"}[r]; sign != "" {
		return "write " + sign
	}
	return ""
}
