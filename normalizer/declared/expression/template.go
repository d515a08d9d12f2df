package expression

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"callwatch/yamlfile/spelling"
)

// piece is a part of a template: a text, or a name in braces.
type Piece struct{ Literal, Name string }

// TemplateOf reads a template with names in braces: "{timestamp}.{body}".
func TemplateOf(s string, known []string) ([]Piece, error) {
	var out []Piece
	for rest := s; rest != ""; {
		from := strings.IndexByte(rest, '{')
		if from < 0 {
			return append(out, Piece{Literal: rest}), nil
		}
		if from > 0 {
			out = append(out, Piece{Literal: rest[:from]})
		}
		to := strings.IndexByte(rest[from:], '}')
		if to < 0 {
			return nil, fmt.Errorf("%q has a { without }", s)
		}
		name := rest[from+1 : from+to]
		if !slices.Contains(known, name) && !slices.Contains(known, "*") {
			hint := "one of {" + strings.Join(known, "}, {") + "}"
			if near := spelling.Nearest(name, known); near != "" {
				hint = "did you mean {" + near + "}?"
			}
			if len(known) == 0 {
				hint = "nothing is put in here"
			}
			return nil, fmt.Errorf("{%s} is not known here: %s", name, hint)
		}
		out = append(out, Piece{Name: name})
		rest = rest[from+to+1:]
	}
	return out, nil
}

func Uses(t []Piece, name string) bool {
	return slices.ContainsFunc(t, func(p Piece) bool { return p.Name == name })
}

// Expand writes a template; false where one of its names has no value.
func Expand(t []Piece, value func(name string) string) (string, bool) {
	var b strings.Builder
	for _, p := range t {
		if p.Name == "" {
			b.WriteString(p.Literal)
			continue
		}
		v := value(p.Name)
		if v == "" {
			return "", false
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// Formatted reads a header such as "t={timestamp},v0={signature}": its parts in any order,
// each as often as it comes.
func Formatted(t []Piece, header string) iter.Seq2[string, string] {
	labels := map[string]string{}
	for i := 1; i < len(t); i++ {
		if t[i].Name != "" && t[i-1].Literal != "" {
			label := strings.TrimLeft(t[i-1].Literal, ",; ")
			labels[label] = t[i].Name
		}
	}
	return func(yield func(name, value string) bool) {
		for part := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
			for label, name := range labels {
				if value, ok := strings.CutPrefix(part, label); ok && !yield(name, value) {
					return
				}
			}
		}
	}
}
