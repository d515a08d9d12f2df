package lenient

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParsePython reads a Python literal as data: dictionaries, lists, tuples,
// texts, numbers, True, False and None, nested at most maxDepth deep. Nothing
// is ever evaluated; what is not one of these is an error.
func ParsePython(s string) (Node, error) {
	p := pythonReader{rest: s}
	v, err := p.value(0)
	if err != nil {
		return Node{}, fmt.Errorf("parse python literal: %w", err)
	}
	if p.space(); p.rest != "" {
		return Node{}, errors.New("parse python literal: more than one value")
	}
	return Node{v: v}, nil
}

type pythonReader struct{ rest string }

func (p *pythonReader) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take consumes a byte where it is next, after white space.
func (p *pythonReader) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *pythonReader) value(depth int) (any, error) {
	p.space()
	switch {
	case p.rest == "":
		return nil, errors.New("ends where a value is expected")
	case depth == maxDepth && strings.ContainsRune("{[(", rune(p.rest[0])):
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	case p.take('{'):
		return p.dictionary(depth + 1)
	case p.take('['):
		return p.sequence(']', depth+1)
	case p.take('('):
		return p.sequence(')', depth+1)
	case p.rest[0] == '\'' || p.rest[0] == '"':
		return p.text()
	default:
		return p.word()
	}
}

func (p *pythonReader) dictionary(depth int) (any, error) {
	m := map[string]any{}
	for !p.take('}') {
		p.space()
		if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
			return nil, errors.New("a key is not a text")
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if !p.take(':') {
			return nil, errors.New("no colon after a key")
		}
		if m[key], err = p.value(depth); err != nil {
			return nil, err
		}
		if !p.take(',') {
			if !p.take('}') {
				return nil, errors.New("dictionary without its end")
			}
			break
		}
	}
	return m, nil
}

func (p *pythonReader) sequence(end byte, depth int) (any, error) {
	l := []any{}
	for !p.take(end) {
		v, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		l = append(l, v)
		if !p.take(',') {
			if !p.take(end) {
				return nil, errors.New("list without its end")
			}
			break
		}
	}
	return l, nil
}

// word reads a number or one of the named constants.
func (p *pythonReader) word() (any, error) {
	end := strings.IndexAny(p.rest, ",:]})( \t\r\n'\"[{")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "None", "null":
		return nil, nil
	case "True", "true":
		return true, nil
	case "False", "false":
		return false, nil
	}
	if json.Valid([]byte(word)) {
		return json.Number(strings.Clone(word)), nil // who keeps it does not keep the body
	}
	return nil, fmt.Errorf("unknown word %.20q", word)
}

// text reads a quoted text with its escapes; adjoining texts are not joined.
func (p *pythonReader) text() (string, error) {
	quote := p.rest[0]
	s := p.rest[1:]
	var out strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case quote:
			p.rest = s[i+1:]
			return out.String(), nil
		case '\\':
			n, err := unescape(&out, s[i+1:])
			if err != nil {
				return "", err
			}
			i += 1 + n
		default:
			out.WriteByte(c)
			i++
		}
	}
	return "", errors.New("text without its closing quote")
}

// unescape writes what is after a backslash and returns its length.
func unescape(out *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, errors.New("text ends in a backslash")
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if digits == 0 {
		if r := strings.IndexByte(`\'"nrtbf`, s[0]); r >= 0 {
			out.WriteByte("\\'\"\n\r\t\b\f"[r])
		} else {
			out.WriteString(`\` + s[:1]) // Python keeps unknown escapes
		}
		return 1, nil
	}
	if len(s) <= digits {
		return 0, errors.New("escape cut short")
	}
	code, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil {
		return 0, errors.New("escape without its digits")
	}
	r := rune(utf8.RuneError)
	if code <= utf8.MaxRune {
		r = rune(code)
	}
	out.WriteRune(r)
	return 1 + digits, nil
}
