package yamlfile

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Place maps a place within a scalar's value back into the file: the n-th
// character that is not white space there is the n-th one here, whether the
// scalar is plain, quoted, folded or a block.
func (d *Document) Place(n ast.Node, value string, line, column int) Pos {
	count := solidBefore(value, line, column)
	start := At(n)
	skip := 0
	switch s := n.(type) {
	case *ast.LiteralNode:
		start = Pos{TokenAt(s.Start).Line + 1, 1}
	case *ast.StringNode:
		if t := s.Token.Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			skip = 1
		}
	}
	for l := start.Line; l <= len(d.Lines); l++ {
		for c, r := range []rune(d.Lines[l-1]) {
			if l == start.Line && c+1 < start.Column || isSpace(r) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if count == 0 {
				return Pos{l, c + 1}
			}
			count--
		}
	}
	return At(n)
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
