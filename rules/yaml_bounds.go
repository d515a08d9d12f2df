package rules

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
	maxFile     = 4 << 20 // bytes
	maxTokens   = 200_000
	maxDepth    = 64     // levels of mappings and lists
	maxWidth    = 1_000  // keys of one mapping
	maxEntries  = 50_000 // of one list in block style; the parser is quick with those in brackets
	maxAnchors  = 50     // each is a problem of its own up to that number
	maxAdjacent = 50     // scalars side by side, which no YAML file has
)

// Bounds of what one rules file defines.
const (
	maxRules  = 5_000
	maxRoutes = 1_000
	maxListed = 1_000   // silences
	maxParts  = 200_000 // of all conditions, macros expanded
)

// giveUp reports that the file is too large and ends the reading.
func (d *document) giveUp(p pos, message string) {
	if !d.full {
		d.add(p, "too-large", message, "split it into several files")
		d.full = true
	}
}

// within says whether the n-th element of a list is within its bound.
func (d *document) within(n ast.Node, i, most int, what string) bool {
	if i >= most {
		d.giveUp(nodeAt(n), fmt.Sprintf("the file has more than %d %s", most, what))
	}
	return i < most
}

// tokens splits the source; false where it is beyond the bounds.
func (d *document) tokens(src []byte) (token.Tokens, bool) {
	if weight(src) > maxTokens {
		d.add(pos{1, 1}, "too-large", fmt.Sprintf("the file has more than %d words and marks of YAML", maxTokens), "split it into several files")
		return nil, false
	}
	tokens := lexer.Tokenize(string(src))
	if len(tokens) > maxTokens {
		d.add(pos{1, 1}, "too-large", fmt.Sprintf("the file has more than %d words and marks of YAML", maxTokens), "split it into several files")
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

// weight is at least half the number of tokens, found without making any.
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
			case '[', ']', '{', '}', ',', '!', '&', '*', '|', '>', '"', '\'', '%', '@', '`':
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

// bounds follows the tokens of a file.
type bounds struct {
	d         *document
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
			return b.refuse(t, "several-documents", "only one YAML document per file", "put the rules into one list or into another file")
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
		if !inFlow {
			return b.entry(t)
		}
	case token.AnchorType, token.AliasType:
		if b.anchors++; b.anchors > maxAnchors {
			return b.refuse(t, "yaml-anchor", "anchors and aliases are not supported", "name shared conditions under define:")
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
	b.d.add(at(t), code, message, hint)
	return false
}

const byteOrderMark = "\ufeff"

// yamlText is the file as the parser reads it: without the mark that some
// editors begin a file with, and with one kind of line break, so that lines are
// counted as the parser counts them.
func yamlText(src []byte) string {
	text := strings.TrimPrefix(string(src), byteOrderMark)
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}
