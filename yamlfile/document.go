// Package yamlfile reads YAML files that people write: within bounds that are checked
// before the parser runs, and so that each problem has its line and column.
package yamlfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"callwatch/yamlfile/spelling"
)

// Document reads one YAML file by its syntax tree, so that every problem is
// found in one pass and names its line and column.
type Document struct {
	File     string
	Lines    []string
	Problems Problems
	What     string                        // what the file is: "rules"
	full     bool                          // there are more problems than are kept
	Stopped  func() bool                   // nobody waits for the result any more; nil: somebody does
	Visited  func(what string, known Keys) // told of each mapping that is read; nil for nobody
}

// Pos is a place in a file, 1-based.
type Pos struct{ Line, Column int }

// Parse reads the mapping of a file of rules, or whatever the file is about; nil where it is no mapping, no YAML, or
// beyond the bounds of a file.
func Parse(file, what string, src []byte) (*Document, ast.Node) {
	d := &Document{File: file, What: what}
	if len(src) > MaxFile {
		d.Add(Pos{1, 1}, "too-large", fmt.Sprintf("%s files may have %d bytes at most", what, MaxFile), "")
		return d, nil
	}
	text := TextOf(src)
	d.Lines = strings.Split(text, "\n")
	tokens, ok := d.withoutTags([]byte(text))
	if !ok {
		return d, nil
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntaxError(err)
		return d, nil
	}
	return d, d.onlyDocument(f.Docs)
}

// onlyDocument is the one document of a file that has something in it. Markers
// and directives (`---`, `%YAML 1.2`) around it say nothing.
func (d *Document) onlyDocument(docs []*ast.DocumentNode) ast.Node {
	var only ast.Node
	for _, doc := range docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentGroupNode, *ast.CommentNode, *ast.NullNode:
			continue
		}
		if only != nil {
			d.Add(TokenAt(doc.Start), "several-documents", "only one YAML document per file", d.severalHint())
			return only
		}
		only = doc.Body
	}
	if only == nil {
		d.Add(Pos{1, 1}, "empty-file", "the file has no "+d.What, d.emptyHint())
	}
	return only
}

func (d *Document) syntaxError(err error) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		d.Add(TokenAt(syntax.Token), "yaml-syntax", "this is not YAML: "+strings.ReplaceAll(syntax.Message, "\t", "tab"), syntaxHint(syntax.Message))
		return
	}
	d.Add(Pos{1, 1}, "yaml-syntax", "this is not YAML: "+err.Error(), "")
}

// syntaxHint is what to do about a message of the parser.
func syntaxHint(message string) string {
	switch {
	case strings.Contains(message, "\t"), strings.Contains(message, "tab "):
		return "indent with spaces"
	case strings.Contains(message, "quoted text"):
		return "close the quotes"
	default:
		return "put a text in quotes that holds a colon and a space, or begins with a sign such as [ { > | \" ? &"
	}
}

// Over reports whether reading on is of no use.
func (d *Document) Over() bool { return d.full || d.Stopped != nil && d.Stopped() }

func (d *Document) Add(p Pos, code, message, hint string) {
	d.Report(p, ErrorSeverity, code, message, hint)
}

func (d *Document) Report(p Pos, severity, code, message, hint string) {
	switch {
	case len(d.Problems) < maxProblems:
		d.Problems = append(d.Problems, d.Problem(p, severity, code, message, hint))
	case !d.full:
		d.full = true
		d.Problems = append(d.Problems, d.Problem(p, ErrorSeverity, "too-many-problems", fmt.Sprintf("there are more than %d problems; the rest is not shown", maxProblems), ""))
	}
}

// Problem is one that is not reported yet.
func (d *Document) Problem(p Pos, severity, code, message, hint string) Problem {
	problem := Problem{
		File: d.File, Line: max(p.Line, 1), Column: max(p.Column, 1),
		Severity: severity, Code: code, Message: clipped(message), Hint: clipped(hint),
	}
	if problem.Line <= len(d.Lines) && len(d.Lines[problem.Line-1]) <= maxSource {
		problem.Source = strings.TrimRight(d.Lines[problem.Line-1], "\r")
	}
	return problem
}

func TokenAt(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, t.Position.Column}
}

func At(n ast.Node) Pos {
	if n == nil {
		return Pos{1, 1}
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return TokenAt(m.Values[0].Key.GetToken())
	}
	return TokenAt(n.GetToken())
}

// Keys tells how each key of a mapping is read.
type Keys map[string]func(value ast.Node)

// Mapping reads a mapping by its keys. Unknown and repeated keys are problems.
func (d *Document) Mapping(n ast.Node, what string, known Keys) {
	if d.Visited != nil {
		d.Visited(what, known)
	}
	d.Entries(n, what, func(key string, keyAt Pos, value ast.Node) {
		read, ok := known[key]
		if !ok {
			hint := DidYouMean(key, known)
			if key == "<<" {
				hint = "YAML's merge is not supported: " + d.anchorHint()
			}
			d.Add(keyAt, "unknown-key", fmt.Sprintf("%s has no key %q", what, key), hint)
			return
		}
		read(value)
	})
}

// DidYouMean is a hint that names the key that was probably meant, "" for none.
func DidYouMean(key string, known Keys) string {
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	if near := spelling.Nearest(key, names); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// Entries calls fn for each entry of a mapping, in the order of the file.
func (d *Document) Entries(n ast.Node, what string, fn func(key string, keyAt Pos, value ast.Node)) {
	n, ok := d.Plain(n)
	if !ok || d.Over() {
		return
	}
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.Add(At(n), "wrong-type", fmt.Sprintf("%s must be a mapping of keys to values", what), "")
		return
	}
	seen := map[string]Pos{}
	for _, v := range values {
		key := v.Key.GetToken().Value
		keyAt := TokenAt(v.Key.GetToken())
		if first, dup := seen[key]; dup {
			d.Add(keyAt, "duplicate-key", fmt.Sprintf("key %q is given a second time", key), fmt.Sprintf("first in line %d", first.Line))
			continue
		}
		seen[key] = keyAt
		fn(key, keyAt, v.Value)
	}
}

// withoutTags refuses YAML tags, which a rule never means (`when: !answered` is
// one), and blanks them so that the rest of the file can be read. It is
// false where the file is beyond the bounds.
func (d *Document) withoutTags(src []byte) (token.Tokens, bool) {
	tokens, ok := d.tokens(src)
	if !ok {
		return nil, false
	}
	blanked := map[int][]rune{} // by line
	for _, t := range tokens {
		if t.Type != token.TagType || t.Position.Line > len(d.Lines) {
			continue
		}
		p, word := TokenAt(t), strings.TrimSpace(t.Value)
		rest := strings.TrimSpace(strings.TrimPrefix(word, "!"))
		blank, hint := 1, fmt.Sprintf("write: not %s, or put the whole in quotes", rest)
		if strings.HasPrefix(word, "!!") || strings.HasPrefix(word, "!<") {
			blank, hint = len([]rune(word)), "leave the tag out, or put the whole in quotes"
		}
		d.Add(p, "yaml-tag", fmt.Sprintf("YAML reads %s as a tag, not as text", word), hint)
		line := blanked[p.Line]
		if line == nil {
			line = []rune(d.Lines[p.Line-1])
			blanked[p.Line] = line
		}
		for i := p.Column - 1; i < min(len(line), p.Column-1+blank); i++ {
			line[i] = ' '
		}
	}
	if len(blanked) == 0 {
		return tokens, true
	}
	lines := slices.Clone(d.Lines)
	for n, line := range blanked {
		lines[n-1] = string(line)
	}
	return d.tokens([]byte(strings.Join(lines, "\n")))
}

// Plain refuses anchors, which would let a small file expand to a huge one.
func (d *Document) Plain(n ast.Node) (ast.Node, bool) {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.Add(TokenAt(n.GetToken()), "yaml-anchor", "anchors and aliases are not supported", d.anchorHint())
		return nil, false
	case *ast.TagNode:
		return nil, false // reported by withoutTags
	}
	return n, true
}

// List calls fn for each element of a sequence.
func (d *Document) List(n ast.Node, what string, fn func(ast.Node)) {
	n, ok := d.Plain(n)
	if !ok {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.Add(At(n), "wrong-type", what+" must be a list", "write each element after a dash")
		return
	}
	for _, v := range seq.Values {
		if d.Over() {
			return
		}
		fn(v)
	}
}

// Text is a scalar as text. Numbers and truth values are taken as written.
func (d *Document) Text(n ast.Node, what string) (string, bool) {
	n, ok := d.Plain(n)
	if !ok {
		return "", false
	}
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.NullNode, nil:
		d.Add(At(n), "empty-value", what+" is empty", "")
	default:
		d.Add(At(n), "wrong-type", what+" must be a text", "")
	}
	return "", false
}

// Word is a text that must be one of the given words.
func (d *Document) Word(n ast.Node, what string, words ...string) (string, bool) {
	s, ok := d.Text(n, what)
	if !ok {
		return "", false
	}
	for _, w := range words {
		if s == w {
			return s, true
		}
	}
	hint := "one of: " + strings.Join(words, ", ")
	if near := spelling.Nearest(s, words); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	d.Add(At(n), "unknown-word", fmt.Sprintf("%s cannot be %q", what, s), hint)
	return "", false
}

// Texts is a list of texts, or one text as a list.
func (d *Document) Texts(n ast.Node, what string) []string {
	if _, ok := n.(*ast.SequenceNode); !ok {
		if s, ok := d.Text(n, what); ok {
			return []string{s}
		}
		return nil
	}
	var out []string
	d.List(n, what, func(e ast.Node) {
		if s, ok := d.Text(e, what); ok {
			out = append(out, s)
		}
	})
	return out
}

// Duration is a text such as 30s, 5m, 2h or 7d.
func (d *Document) Duration(n ast.Node, what string) (time.Duration, bool) {
	s, ok := d.Text(n, what)
	if !ok {
		return 0, false
	}
	v, err := ParseDuration(s)
	if err != nil {
		d.Add(At(n), "bad-duration", fmt.Sprintf("%s is not a duration: %q", what, s), "a number with a unit, such as 30s, 5m, 2h or 7d")
		return 0, false
	}
	return v, true
}

// Integer is a whole number within bounds.
func (d *Document) Integer(n ast.Node, what string, lo, hi int) (int, bool) {
	s, ok := d.Text(n, what)
	if !ok {
		return 0, false
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < lo || v > hi {
		d.Add(At(n), "wrong-type", fmt.Sprintf("%s must be a whole number from %d to %d", what, lo, hi), "")
		return 0, false
	}
	return v, true
}

// anchorHint is what to do instead of an anchor.
func (d *Document) anchorHint() string {
	if d.What == "rules" {
		return "name shared conditions under define:"
	}
	return "write it out"
}

func (d *Document) severalHint() string {
	if d.What == "rules" {
		return "put the rules into one list or into another file"
	}
	return "put it into another file"
}

func (d *Document) emptyHint() string {
	if d.What == "rules" {
		return "start with `rules:` and a list of rules"
	}
	return ""
}
