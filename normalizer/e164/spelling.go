package e164

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Spelling finds a number in text, however it is written.
type Spelling struct {
	Number string // E.164, or as it came where it is no telephone number
	text   *regexp.Regexp
}

const (
	// separators may be between two digits of a number.
	separators = `[\s().\-/\x{00a0}]{0,3}`
	// fewestDigits of a national number that is found without its country code.
	fewestDigits = 5
)

// ParseSpelling reads a number with its country code, in any spelling: +49 151 ...,
// 0049151..., tel:+49-151-..., sip:+49151...@host.
func ParseSpelling(s string) (Spelling, error) {
	plain := strings.ToLower(strings.TrimSpace(s))
	for _, scheme := range []string{"tel:", "sip:", "sips:"} {
		plain = strings.TrimPrefix(plain, scheme)
	}
	plain, _, _ = strings.Cut(plain, "@")
	plain, _, _ = strings.Cut(plain, ";")
	if rest, ok := strings.CutPrefix(plain, "00"); ok {
		plain = "+" + rest
	}
	if !strings.HasPrefix(plain, "+") {
		return Spelling{}, fmt.Errorf("%.40q has no country code: write it like +4915112345678", s)
	}
	n, err := phonenumbers.Parse(plain, "")
	if err != nil {
		return Spelling{}, fmt.Errorf("%.40q is no telephone number: %w", s, err)
	}
	code, national := strconv.Itoa(int(n.GetCountryCode())), phonenumbers.GetNationalSignificantNumber(n)
	if len(national) < fewestDigits {
		return Spelling{}, fmt.Errorf("%.40q is too short", s)
	}
	digits := func(s string) string { return strings.Join(strings.Split(s, ""), separators) }
	text := `(?i)(?:(?:\+|00|%2B)?` + separators + digits(code) + separators + `(?:0` + separators + `)?|0` + separators + `)?` + digits(national)
	return Spelling{phonenumbers.Format(n, phonenumbers.E164), regexp.MustCompile(text)}, nil
}

// SpellingOf is of the party of a call: a telephone number or any other address, which
// is found as it is written. ok is false for one too short to tell anything.
func SpellingOf(party string) (s Spelling, ok bool) {
	if s, err := ParseSpelling(party); err == nil {
		return s, true
	}
	if len(party) < fewestDigits {
		return Spelling{}, false
	}
	return Spelling{party, regexp.MustCompile(`(?i)` + regexp.QuoteMeta(party))}, true
}

// In reports whether the number is in a text.
func (s *Spelling) In(text []byte) bool {
	for at := 0; ; {
		m := s.text.FindIndex(text[at:])
		if m == nil {
			return false
		}
		if from, to := at+m[0], at+m[1]; !inNumber(text, from, to) {
			return true
		}
		at += m[0] + 1
	}
}

// Replace puts other in the place of the number, wherever it is.
func (s *Spelling) Replace(text, other string) string {
	var b strings.Builder
	rest := 0
	for at := 0; ; {
		m := s.text.FindStringIndex(text[at:])
		if m == nil {
			break
		}
		from, to := at+m[0], at+m[1]
		if inNumber([]byte(text), from, to) {
			at = from + 1
			continue
		}
		b.WriteString(text[rest:from])
		b.WriteString(other)
		rest, at = to, to
	}
	if rest == 0 {
		return text
	}
	return b.String() + text[rest:]
}

// inNumber reports whether more digits are around a part of a text: it is of a longer
// number.
func inNumber(text []byte, from, to int) bool {
	digit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	return digit(from) && digit(from-1) || digit(to-1) && digit(to)
}
