package rules

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place maps a place within a scalar's value back into the file: the n-th
// character that is not white space there is the n-th one here, whether the
// scalar is plain, quoted, folded or a block.
func (d *document) place(n ast.Node, value string, line, column int) pos {
	count := solidBefore(value, line, column)
	start := nodeAt(n)
	skip := 0
	switch s := n.(type) {
	case *ast.LiteralNode:
		start = pos{at(s.Start).line + 1, 1}
	case *ast.StringNode:
		if t := s.Token.Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			skip = 1
		}
	}
	for l := start.line; l <= len(d.lines); l++ {
		for c, r := range []rune(d.lines[l-1]) {
			if l == start.line && c+1 < start.column || isSpace(r) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if count == 0 {
				return pos{l, c + 1}
			}
			count--
		}
	}
	return nodeAt(n)
}

// solidBefore counts the characters before a place that are not white space.
func solidBefore(value string, line, column int) int {
	count := 0
	for l, text := range strings.Split(value, "\n") {
		for c, r := range []rune(text) {
			if l+1 == line && c+1 >= column || l+1 > line {
				return count
			}
			if !isSpace(r) {
				count++
			}
		}
	}
	return count
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }
