package schema

import (
	"slices"
	"strings"
)

// leastDigits is how many digits a number has at least that is searched by its end.
const leastDigits = 3

// digitsOf are the digits of a text that is written as a phone number; "" for any
// other.
func digitsOf(text string) string {
	var digits []byte
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r == '+' && i == 0, strings.ContainsRune(" -.()/\u00a0\u2011", r):
		default:
			return ""
		}
	}
	return string(digits)
}

// reversedDigits are the digits of a number from the last on, "" for what is no
// number.
func reversedDigits(number string) string {
	number, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(number, "sip:"), "tel:"), "@")
	return reversed(digitsOf(strings.TrimSpace(number)))
}

func reversed(digits string) string {
	b := []byte(digits)
	slices.Reverse(b)
	return string(b)
}

// NumberEnds are the ends of numbers that a searched text may mean, reversed: as it is
// written, and without a trunk or international prefix.
func NumberEnds(text string) []string {
	digits := digitsOf(text)
	if len(digits) < leastDigits {
		return nil
	}
	out := []string{reversed(digits)}
	if short := strings.TrimLeft(digits, "0"); short != digits && len(short) >= 6 {
		out = append(out, reversed(short))
	}
	// +44 (0)20 7946 0018: the zero in parentheses is for calls within the country.
	if before, after, ok := strings.Cut(text, "(0)"); ok && digitsOf(before) != "" {
		out = append(out, reversed(digitsOf(before)+digitsOf(after)))
	}
	return out
}
