package lenient

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// form is a body in application/x-www-form-urlencoded: its pairs, decoded, in
// their order.
type form []formPair

type formPair struct{ name, value string }

// maxPairs bounds the pairs of a form, as package url does.
const maxPairs = 10000

// ReadForm decodes a form. It takes the bodies that url.ParseQuery takes, and
// makes the same of them; its maps would cost several times as much.
func ReadForm(b []byte) (form, error) {
	body := string(b)
	most := strings.Count(body, "&") + 1
	if most > maxPairs {
		return nil, refusedForm(body)
	}
	var decoded strings.Builder // of which all texts with escapes are parts
	pairs := make(form, 0, most)
	for rest := body; rest != ""; {
		var name string
		if name, rest, _ = strings.Cut(rest, "&"); name == "" {
			continue
		}
		name, value, _ := strings.Cut(name, "=")
		name, ok := unescapeForm(name, &decoded, len(body))
		value, valueOK := unescapeForm(value, &decoded, len(body))
		if !ok || !valueOK {
			return nil, refusedForm(body)
		}
		pairs = append(pairs, formPair{name, value})
	}
	return pairs, nil
}

// refusedForm is what package url says of a body that is no form.
func refusedForm(body string) error {
	if _, err := url.ParseQuery(body); err != nil {
		return fmt.Errorf("parse form: %w", err)
	}
	return fmt.Errorf("parse form: more than %d pairs", maxPairs)
}

// unescapeForm decodes a name or value; false for a wrong escape and for a
// semicolon, which some take for the separator of pairs.
func unescapeForm(s string, decoded *strings.Builder, most int) (string, bool) {
	first := 0
	for first < len(s) && s[first] != '%' && s[first] != '+' && s[first] != ';' {
		first++
	}
	if first == len(s) {
		return s, true
	}
	if decoded.Cap() == 0 {
		decoded.Grow(most)
	}
	start := decoded.Len()
	decoded.WriteString(s[:first])
	for i := first; i < len(s); i++ {
		switch c := s[i]; c {
		case ';':
			return "", false
		case '+':
			decoded.WriteByte(' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			decoded.WriteByte(hi<<4 | lo)
			i += 2
		default:
			decoded.WriteByte(c)
		}
	}
	return decoded.String()[start:], true
}

// hexDigit is the value of a hexadecimal digit, above 15 for another character.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	default:
		return 255
	}
}

// Signed is each name and its value in the order of the names, with nothing in
// between; values of one name keep their order. It sorts the form.
func (f form) Signed() []byte {
	slices.SortStableFunc(f, func(a, b formPair) int { return strings.Compare(a.name, b.name) })
	size := 0
	for i := range f {
		size += len(f[i].name) + len(f[i].value)
	}
	text := make([]byte, 0, size)
	for i := range f {
		text = append(append(text, f[i].name...), f[i].value...)
	}
	return text
}

// ParseForm decodes a form: each name with its first value, as an object of
// texts in UTF-8. Each text is a copy: who keeps one does not keep the body.
func ParseForm(b []byte) (Node, error) {
	pairs, err := ReadForm(b)
	if err != nil {
		return Node{}, err
	}
	m := make(map[string]any, len(pairs))
	for _, p := range slices.Backward(pairs) { // so that the first of a name is the one that stays
		m[strings.Clone(strings.ToValidUTF8(p.name, "\uFFFD"))] = strings.Clone(strings.ToValidUTF8(p.value, "\uFFFD"))
	}
	return Node{v: m}, nil
}
