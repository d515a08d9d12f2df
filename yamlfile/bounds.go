package yamlfile

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Bounds of one file. They are checked before the parser runs: its time grows
// with the square of a file's depth and of a mapping's width, and no file is
// worth more than a second.
const (
	MaxFile     = 4 << 20 // bytes
	maxTokens   = 200_000
	maxDepth    = 64     // levels of mappings and lists
	maxWidth    = 1_000  // Keys of one mapping
	maxEntries  = 50_000 // of one list in block style; the parser is quick with those in brackets
	maxAnchors  = 50     // each is a problem of its own up to that number
	maxAdjacent = 50     // scalars side by side, which no YAML file has

	maxSteps = 100_000_000 // of the lexer beyond one per byte; each takes about half a nanosecond
)

// GiveUp reports that the file is too large and ends the reading.
func (d *Document) GiveUp(p Pos, message string) {
	if !d.full {
		d.Add(p, "too-large", message, "split it into several files")
		d.full = true
	}
}

// Within says whether the n-th element of a list is within its bound.
func (d *Document) Within(n ast.Node, i, most int, what string) bool {
	if i >= most {
		d.GiveUp(At(n), fmt.Sprintf("the file has more than %d %s", most, what))
	}
	return i < most
}

// tokens splits the source; false where it is beyond the bounds.
func (d *Document) tokens(src []byte) (token.Tokens, bool) {
	if weight(src) > maxTokens {
		d.Add(Pos{1, 1}, "too-large", fmt.Sprintf("the file has more than %d words and marks of YAML", maxTokens), "split it into several files")
		return nil, false
	}
	if line := slowLine(src); line > 0 {
		d.Add(Pos{line, 1}, "too-large", "reading the file takes too long: it has too many tabs, `<` in a row, or empty lines at the end of a text", "remove them")
		return nil, false
	}
	tokens := lexer.Tokenize(string(src))
	if len(tokens) > maxTokens {
		d.Add(Pos{1, 1}, "too-large", fmt.Sprintf("the file has more than %d words and marks of YAML", maxTokens), "split it into several files")
		return nil, false
	}
	b := bounds{d: d}
	for _, t := range tokens {
		if !b.take(t) {
			return nil, false
		}
	}
	return tokens, true
}

// weight is an estimate of the number of tokens, found without making any: half the
// number of lines and marks.
func weight(src []byte) int {
	n := 0
	for line := range bytes.Lines(src) {
		n++
		line = bytes.TrimLeft(line, " \t")
		if len(line) > 0 && line[0] == '#' {
			continue
		}
		for i, c := range line {
			switch c {
			case ',': // and what it follows
				n += 2
			case '[', ']', '{', '}', '!', '&', '*', '|', '>', '"', '\'', '%', '@', '`':
				n++
			case '-', '?', ':':
				if i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t' || line[i+1] == '\n' {
					n++
				}
			}
		}
	}
	return n / 2
}

// slowLine is the line at which the lexer will have taken more than maxSteps for what
// takes it the square of its length; 0 where there is none. For each tab it looks at
// the rest of the line, for each `<` at the following ones, and it copies a block
// scalar for each empty line at its end.
func slowLine(src []byte) int {
	steps, number := 0, 0
	header, block, empty := -1, 0, 0 // indentation of the key of a block scalar, bytes of the scalar, empty lines in a row
	for line := range bytes.Lines(src) {
		number++
		steps += bytes.Count(line, []byte{'\t'})*len(line) + runs(line)
		text := bytes.TrimSpace(line)
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		switch {
		case len(text) == 0:
			if empty++; header >= 0 && empty > 1 {
				steps += 10 * block
			}
		case header >= 0 && indent > header:
			empty = 0
		default:
			empty, block, header = 0, 0, -1
			if opensBlock(text) {
				header = indent
			}
		}
		if block += len(line); steps > maxSteps {
			return number
		}
	}
	return 0
}

// runs are the squares of the numbers of `<` in a row.
func runs(line []byte) (steps int) {
	for {
		i := bytes.IndexByte(line, '<')
		if i < 0 {
			return steps
		}
		after := bytes.TrimLeft(line[i:], "<")
		n := len(line) - i - len(after)
		steps, line = steps+n*n, after
	}
}

// opensBlock reports whether a block scalar may begin after a line.
func opensBlock(line []byte) bool {
	if i := bytes.Index(line, []byte(" #")); i >= 0 {
		line = bytes.TrimRight(line[:i], " ")
	}
	line = bytes.TrimRight(line, "+-0123456789")
	return len(line) > 0 && (line[len(line)-1] == '|' || line[len(line)-1] == '>')
}

// bounds follows the tokens of a file.
type bounds struct {
	d         *Document
	open      []level
	last      *token.Token
	anchors   int
	adjacent  int
	documents int
}

// level is a mapping or list that is open: in block style it ends at a token
// left of its column, in flow style at its bracket.
type level struct {
	flow, list bool
	column     int
	width      int
}

// take follows one token; false where the file is beyond the bounds.
func (b *bounds) take(t *token.Token) bool {
	last := b.last
	b.last = t
	inFlow := len(b.open) > 0 && b.open[len(b.open)-1].flow
	switch t.Type {
	case token.DocumentHeaderType:
		b.open = b.open[:0]
		if b.documents++; b.documents > 2 {
			return b.refuse(t, "several-documents", "only one YAML document per file", b.d.severalHint())
		}
	case token.MappingKeyType:
		return b.refuse(t, "yaml-syntax", "a key is a word, not a mapping or list after ?", `in a text, put the whole in quotes: "..."`)
	case token.MappingStartType, token.SequenceStartType:
		return b.push(level{flow: true, list: t.Type == token.SequenceStartType}, t)
	case token.MappingEndType, token.SequenceEndType:
		b.close()
	case token.MappingValueType:
		if inFlow {
			return b.key(t)
		}
		if last != nil {
			return b.blockKey(last)
		}
	case token.SequenceEntryType:
		if inFlow {
			return b.refuse(t, "yaml-syntax", "this is not YAML: a list with dashes between brackets", "write [a, b], or put the text in quotes")
		}
		return b.entry(t)
	case token.AnchorType, token.AliasType:
		if b.anchors++; b.anchors > maxAnchors {
			return b.refuse(t, "yaml-anchor", "anchors and aliases are not supported", b.d.anchorHint())
		}
	default:
		return b.scalar(t, last)
	}
	return true
}

// scalar counts texts that follow each other with nothing between.
func (b *bounds) scalar(t, last *token.Token) bool {
	if last == nil || !scalarToken(t) || !scalarToken(last) {
		b.adjacent = 0
		return true
	}
	if b.adjacent++; b.adjacent > maxAdjacent {
		return b.refuse(t, "yaml-syntax", "this is not YAML: texts side by side", "put the whole in quotes")
	}
	return true
}

func scalarToken(t *token.Token) bool {
	switch t.CharacterType {
	case token.CharacterTypeMiscellaneous:
		return t.Type != token.CommentType
	case token.CharacterTypeIndicator:
		return t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	}
	return false
}

func (b *bounds) blockKey(key *token.Token) bool {
	column := key.Position.Column
	for n := len(b.open); n > 0; n-- {
		top := &b.open[n-1]
		if top.flow || top.column < column {
			break
		}
		if top.column == column && !top.list {
			return b.key(key)
		}
		b.open = b.open[:n-1]
	}
	return b.push(level{column: column, width: 1}, key)
}

func (b *bounds) entry(t *token.Token) bool {
	column := t.Position.Column
	for n := len(b.open); n > 0; n-- {
		top := &b.open[n-1]
		if top.flow || top.column < column || top.column == column && !top.list {
			break
		}
		if top.column == column {
			return b.another(t)
		}
		b.open = b.open[:n-1]
	}
	return b.push(level{list: true, column: column, width: 1}, t)
}

// another counts one more entry of the innermost list.
func (b *bounds) another(t *token.Token) bool {
	top := &b.open[len(b.open)-1]
	if top.width++; top.width > maxEntries {
		return b.refuse(t, "too-large", fmt.Sprintf("this list has more than %d entries", maxEntries), "")
	}
	return true
}

// key counts one more key of the innermost mapping.
func (b *bounds) key(t *token.Token) bool {
	top := &b.open[len(b.open)-1]
	if top.width++; top.width > maxWidth {
		return b.refuse(t, "too-large", fmt.Sprintf("this mapping has more than %d keys", maxWidth), "")
	}
	return true
}

func (b *bounds) push(l level, t *token.Token) bool {
	if b.open = append(b.open, l); len(b.open) > maxDepth {
		return b.refuse(t, "too-deep", fmt.Sprintf("the file nests more than %d levels deep", maxDepth), "")
	}
	return true
}

// close ends the innermost level in flow style.
func (b *bounds) close() {
	for n := len(b.open); n > 0; n-- {
		flow := b.open[n-1].flow
		b.open = b.open[:n-1]
		if flow {
			return
		}
	}
}

func (b *bounds) refuse(t *token.Token, code, message, hint string) bool {
	b.d.Add(TokenAt(t), code, message, hint)
	return false
}

const byteOrderMark = "\ufeff"

// TextOf is the file as the parser reads it: without the mark that some
// editors begin a file with, and with one kind of line break, so that lines are
// counted as the parser counts them.
func TextOf(src []byte) string {
	text := strings.TrimPrefix(string(src), byteOrderMark)
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}
