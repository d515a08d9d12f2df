package rules

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

	"callwatch/rules/condition"
)

// document reads one YAML file by its syntax tree, so that every problem is
// found in one pass and names its line and column.
type document struct {
	file     string
	lines    []string
	problems Problems
	full     bool                          // there are more problems than are kept
	stopped  func() bool                   // nobody waits for the result any more; nil: somebody does
	visited  func(what string, known keys) // told of each mapping that is read; nil for nobody
}

// pos is a place in a file, 1-based.
type pos struct{ line, column int }

// parseDocument reads the file's mapping; nil where it is no mapping, no YAML, or
// beyond the bounds of a file.
func parseDocument(file string, src []byte) (*document, ast.Node) {
	d := &document{file: file}
	if len(src) > maxFile {
		d.add(pos{1, 1}, "too-large", fmt.Sprintf("rules files may have %d bytes at most", maxFile), "")
		return d, nil
	}
	text := yamlText(src)
	d.lines = strings.Split(text, "\n")
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
func (d *document) onlyDocument(docs []*ast.DocumentNode) ast.Node {
	var only ast.Node
	for _, doc := range docs {
		switch doc.Body.(type) {
		case nil, *ast.DirectiveNode, *ast.CommentGroupNode, *ast.CommentNode, *ast.NullNode:
			continue
		}
		if only != nil {
			d.add(at(doc.Start), "several-documents", "only one YAML document per file", "put the rules into one list or into another file")
			return only
		}
		only = doc.Body
	}
	if only == nil {
		d.add(pos{1, 1}, "empty-file", "the file has no rules", "start with `rules:` and a list of rules")
	}
	return only
}

func (d *document) syntaxError(err error) {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		d.add(at(syntax.Token), "yaml-syntax", "this is not YAML: "+syntax.Message, "")
		return
	}
	d.add(pos{1, 1}, "yaml-syntax", "this is not YAML: "+err.Error(), "")
}

// over reports whether reading on is of no use.
func (d *document) over() bool { return d.full || d.stopped != nil && d.stopped() }

func (d *document) add(p pos, code, message, hint string) {
	d.report(p, problemError, code, message, hint)
}

func (d *document) report(p pos, severity, code, message, hint string) {
	switch {
	case len(d.problems) < maxProblems:
		d.problems = append(d.problems, d.problem(p, severity, code, message, hint))
	case !d.full:
		d.full = true
		d.problems = append(d.problems, d.problem(p, problemError, "too-many-problems", fmt.Sprintf("there are more than %d problems; the rest is not shown", maxProblems), ""))
	}
}

// problem is one that is not reported yet.
func (d *document) problem(p pos, severity, code, message, hint string) Problem {
	problem := Problem{
		File: d.file, Line: max(p.line, 1), Column: max(p.column, 1),
		Severity: severity, Code: code, Message: clipped(message), Hint: clipped(hint),
	}
	if problem.Line <= len(d.lines) && len(d.lines[problem.Line-1]) <= maxSource {
		problem.Source = strings.TrimRight(d.lines[problem.Line-1], "\r")
	}
	return problem
}

func at(t *token.Token) pos {
	if t == nil || t.Position == nil {
		return pos{1, 1}
	}
	return pos{t.Position.Line, t.Position.Column}
}

func nodeAt(n ast.Node) pos {
	if n == nil {
		return pos{1, 1}
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return at(m.Values[0].Key.GetToken())
	}
	return at(n.GetToken())
}

// keys tells how each key of a mapping is read.
type keys map[string]func(value ast.Node)

// mapping reads a mapping by its keys. Unknown and repeated keys are problems.
func (d *document) mapping(n ast.Node, what string, known keys) {
	if d.visited != nil {
		d.visited(what, known)
	}
	d.entries(n, what, func(key string, keyAt pos, value ast.Node) {
		read, ok := known[key]
		if !ok {
			d.add(keyAt, "unknown-key", fmt.Sprintf("%s has no key %q", what, key), didYouMean(key, known))
			return
		}
		read(value)
	})
}

func didYouMean(key string, known keys) string {
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	if near := condition.Nearest(key, names); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// entries calls fn for each entry of a mapping, in the order of the file.
func (d *document) entries(n ast.Node, what string, fn func(key string, keyAt pos, value ast.Node)) {
	n, ok := d.plain(n)
	if !ok || d.over() {
		return
	}
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		d.add(nodeAt(n), "wrong-type", fmt.Sprintf("%s must be a mapping of keys to values", what), "")
		return
	}
	seen := map[string]pos{}
	for _, v := range values {
		key := v.Key.GetToken().Value
		keyAt := at(v.Key.GetToken())
		if first, dup := seen[key]; dup {
			d.add(keyAt, "duplicate-key", fmt.Sprintf("key %q stands here a second time", key), fmt.Sprintf("first in line %d", first.line))
			continue
		}
		seen[key] = keyAt
		fn(key, keyAt, v.Value)
	}
}

// withoutTags refuses YAML tags, which a rule never means (`when: !answered` is
// one), and blanks them so that the rest of the file can be read. It is
// false where the file is beyond the bounds.
func (d *document) withoutTags(src []byte) (token.Tokens, bool) {
	tokens, ok := d.tokens(src)
	if !ok {
		return nil, false
	}
	blanked := map[int][]rune{} // by line
	for _, t := range tokens {
		if t.Type != token.TagType || t.Position.Line > len(d.lines) {
			continue
		}
		p, word := at(t), strings.TrimSpace(t.Value)
		rest := strings.TrimSpace(strings.TrimPrefix(word, "!"))
		d.add(p, "yaml-tag", fmt.Sprintf("YAML reads %s as a tag, not as text", word), fmt.Sprintf("write: not %s, or put the whole in quotes", rest))
		line := blanked[p.line]
		if line == nil {
			line = []rune(d.lines[p.line-1])
			blanked[p.line] = line
		}
		for i := p.column - 1; i < len(line) && line[i] == '!'; i++ {
			line[i] = ' '
		}
	}
	if len(blanked) == 0 {
		return tokens, true
	}
	lines := slices.Clone(d.lines)
	for n, line := range blanked {
		lines[n-1] = string(line)
	}
	return d.tokens([]byte(strings.Join(lines, "\n")))
}

// plain refuses anchors, which would let a small file expand to a huge one.
func (d *document) plain(n ast.Node) (ast.Node, bool) {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		d.add(at(n.GetToken()), "yaml-anchor", "anchors and aliases are not supported", "name shared conditions under define:")
		return nil, false
	case *ast.TagNode:
		return nil, false // reported by withoutTags
	}
	return n, true
}

// list calls fn for each element of a sequence.
func (d *document) list(n ast.Node, what string, fn func(ast.Node)) {
	n, ok := d.plain(n)
	if !ok {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(nodeAt(n), "wrong-type", what+" must be a list", "write each element after a dash")
		return
	}
	for _, v := range seq.Values {
		if d.over() {
			return
		}
		fn(v)
	}
}

// text is a scalar as text. Numbers and truth values are taken as written.
func (d *document) text(n ast.Node, what string) (string, bool) {
	n, ok := d.plain(n)
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
		d.add(nodeAt(n), "empty-value", what+" is empty", "")
	default:
		d.add(nodeAt(n), "wrong-type", what+" must be a text", "")
	}
	return "", false
}

// word is a text that must be one of the given words.
func (d *document) word(n ast.Node, what string, words ...string) (string, bool) {
	s, ok := d.text(n, what)
	if !ok {
		return "", false
	}
	for _, w := range words {
		if s == w {
			return s, true
		}
	}
	hint := "one of: " + strings.Join(words, ", ")
	if near := condition.Nearest(s, words); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	d.add(nodeAt(n), "unknown-word", fmt.Sprintf("%s cannot be %q", what, s), hint)
	return "", false
}

// texts is a list of texts, or one text as a list.
func (d *document) texts(n ast.Node, what string) []string {
	if _, ok := n.(*ast.SequenceNode); !ok {
		if s, ok := d.text(n, what); ok {
			return []string{s}
		}
		return nil
	}
	var out []string
	d.list(n, what, func(e ast.Node) {
		if s, ok := d.text(e, what); ok {
			out = append(out, s)
		}
	})
	return out
}

// duration is a text such as 30s, 5m, 2h or 7d.
func (d *document) duration(n ast.Node, what string) (time.Duration, bool) {
	s, ok := d.text(n, what)
	if !ok {
		return 0, false
	}
	v, err := ParseDuration(s)
	if err != nil {
		d.add(nodeAt(n), "bad-duration", fmt.Sprintf("%s is not a duration: %q", what, s), "a number with a unit, such as 30s, 5m, 2h or 7d")
		return 0, false
	}
	return v, true
}

// integer is a whole number within bounds.
func (d *document) integer(n ast.Node, what string, lo, hi int) (int, bool) {
	s, ok := d.text(n, what)
	if !ok {
		return 0, false
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < lo || v > hi {
		d.add(nodeAt(n), "wrong-type", fmt.Sprintf("%s must be a whole number from %d to %d", what, lo, hi), "")
		return 0, false
	}
	return v, true
}
