package condition

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/call"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/utils"
)

// Env is what an expression can name beside the fields of a call.
type Env struct {
	Macros map[string]string   // `define`: name to expression, expanded in the syntax tree
	Lists  map[string][]string // `lists`: name to texts, for `from in us_carriers`

	Zone *time.Location // whose clock hour and weekday read; nil: UTC

	compiled *definitions // nil: compiled for each expression
	names    *names       // what identifiers mean, with those of With
}

// With is the Env with texts beside the fields of the call, in the order of
// Facts.LoadExtra.
func (e Env) With(extra ...call.Field) Env {
	e = e.Compiled()
	e.names = newNames(extra)
	return e
}

// Check reports the problems of the macros and of the lists' names, by name.
// Expressions that use a broken macro only say so.
func (e Env) Check() map[string][]Problem {
	e = e.Compiled()
	found := map[string][]Problem{}
	names := e.compiled.names
	for _, m := range e.compiled.sorted {
		c := &compiler{src: m.src, env: e, names: names}
		c.checkName(m.name)
		if _, ok := e.Lists[m.name]; ok {
			c.fail(c.whole(), CodeBadName, m.name+" is a list already", "give one of them another name")
		}
		c.problems = append(c.problems, m.problems...)
		if len(c.problems) > 0 {
			found[m.name] = c.sorted()
		}
	}
	for name, texts := range e.Lists {
		c := &compiler{env: e, names: names}
		c.checkName(name)
		if len(texts) == 0 {
			c.fail(c.whole(), CodeEmptyList, "the list "+name+" is empty", "")
		}
		if len(c.problems) > 0 {
			found[name] = append(found[name], c.problems...)
		}
	}
	return found
}

func (c *compiler) checkName(name string) {
	_, isField := call.Lookup(name)
	switch {
	case isField:
		c.fail(c.whole(), CodeBadName, name+" is a field of every call already", "choose another name")
	case !slices.Contains(laterFunctions(), name) && (c.names.functions[name] || slices.Contains(windowFunctions(), name)):
		c.fail(c.whole(), CodeBadName, name+" is a function already", "choose another name")
	case !utils.IsValidIdentifier(name) || strings.Contains(name, "$") || reserved(name):
		c.fail(c.whole(), CodeBadName, name+" cannot be a name", "use letters, digits and underscores, e.g. us_carriers")
	}
}

func reserved(name string) bool {
	return slices.Contains([]string{
		"true", "false", "nil", "not", "and", "or", "in", "let", "if", "else",
		"contains", "matches", "startsWith", "endsWith",
	}, name)
}

// names resolves what an identifier can mean.
type names struct {
	fields    map[string]int // slot
	table     []call.Field
	functions map[string]bool
	clock     bool // hour and weekday can be read
}

func newNames(extra []call.Field) *names {
	n := &names{fields: map[string]int{}, table: call.Fields(), functions: map[string]bool{"date": true}}
	n.clock = len(extra) == 0
	n.table = slices.Concat(n.table, extra)
	for i, f := range n.table {
		n.fields[f.Name] = i
	}
	for name := range functions() {
		n.functions[name] = true
	}
	return n
}

func (n *names) isField(name string) bool {
	_, ok := n.fields[name]
	return ok
}

func (n *names) has(env Env, name string) bool {
	_, field := n.fields[name]
	_, list := env.Lists[name]
	_, macro := env.Macros[name]
	return field || list || macro || slices.Contains(n.clockNames(), name)
}

func fieldType(f call.Field) typ {
	switch f.Type {
	case call.Number:
		return typ{kind: number}
	case call.Integer:
		return typ{kind: number, whole: true}
	case call.Bool:
		return typ{kind: boolean}
	case call.Text:
		return typ{kind: text}
	case call.Time:
		return typ{kind: instant}
	case call.Strings:
		return typ{kind: list, elem: text}
	case call.List:
		return typ{kind: list, elem: interval}
	default:
		return typ{kind: object}
	}
}

func (c *compiler) identifier(n *ast.IdentifierNode) *node {
	if slot, ok := c.names.fields[n.Value]; ok {
		field := &c.names.table[slot]
		if c.ofWindow() {
			return c.oneCall(n.Value, fieldType(*field), n.Location())
		}
		return c.made(&node{op: opField, slot: slot, field: field, typ: fieldType(*field), loc: n.Location()})
	}
	if l, ok := c.env.compiled.lists[n.Value]; ok {
		return c.made(&node{op: opLiteral, key: n.Value, val: value{kind: list, ref: l}, typ: typ{kind: list, elem: text}, loc: n.Location()})
	}
	if m, ok := c.env.compiled.macros[n.Value]; ok {
		return c.expand(m, n.Location())
	}
	if clock := c.clock(n.Value, n.Location()); clock != nil {
		return clock
	}
	return c.unknownName(n.Value, n.Location())
}

func (c *compiler) unknownName(name string, at file.Location) *node {
	if name == "calls" {
		if c.ofWindow() {
			return c.figure(name, nil, at)
		}
		return c.windowFunction(name, at)
	}
	hint := foreignWord(name)
	if hint == "" {
		hint = c.suggest(name)
	}
	if hint == "" {
		hint = fmt.Sprintf("texts need quotes: %q; what a provider calls its own way is under raw", name)
	}
	return c.fail(at, CodeUnknownField, "unknown field "+name, hint)
}

// suggest finds the name that was probably meant.
func (c *compiler) suggest(name string) string {
	known := slices.AppendSeq(c.names.clockNames(), maps.Keys(c.names.fields))
	known = slices.AppendSeq(known, maps.Keys(c.env.Lists))
	known = slices.AppendSeq(known, maps.Keys(c.env.Macros))
	meant := nearest(name, known)
	if meant == "" {
		return ""
	}
	if slot, ok := c.names.fields[meant]; ok {
		if unit := map[string]string{"ms": "milliseconds", "s": "seconds", "%": "percent"}[c.names.table[slot].Unit]; unit != "" {
			return fmt.Sprintf("did you mean %s (%s)?", meant, unit)
		}
	}
	return fmt.Sprintf("did you mean %s?", meant)
}

// Nearest is the candidate that a mistyped word was probably meant to be, ""
// where none is near.
func Nearest(word string, candidates []string) string { return nearest(word, candidates) }

// SuggestField says which field of a call an unknown name was probably meant to
// be, "" where none is near.
func SuggestField(name string) string { return newCompiler("", Env{}).suggest(name) }

// maxWord is the longest word for which a meant one is looked for, in bytes.
const maxWord = 64

// nearest is the candidate closest to a word: the same but for case, one that it
// begins, one a few typing errors away, or one that it is a part of; "" for none.
func nearest(word string, candidates []string) string {
	type scored struct {
		name  string
		score int
	}
	var best []scored
	if len(word) > maxWord {
		return ""
	}
	low := strings.ToLower(word)
	for _, name := range candidates {
		other := strings.ToLower(name)
		distance := distance(low, other)
		switch {
		case other == low:
			best = append(best, scored{name, 0})
		case distance == 1 && len(low) > 2:
			best = append(best, scored{name, 1})
		case len(low) >= 3 && strings.HasPrefix(other, low):
			best = append(best, scored{name, 100 + len(other)})
		case distance <= len(low)/3:
			best = append(best, scored{name, 10 + distance})
		case len(low) >= 4 && beginsAlmost(other, low):
			best = append(best, scored{name, 200 + len(other)})
		case len(low) >= 4 && strings.Contains(other, low), len(other) >= 4 && strings.HasPrefix(low, other):
			best = append(best, scored{name, 1000 + len(other)})
		}
	}
	if len(best) == 0 {
		return ""
	}
	return slices.MinFunc(best, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.name, b.name))
	}).name
}

// beginsAlmost says whether a name begins with the word but for one typing error.
func beginsAlmost(name, word string) bool {
	for n := len(word) - 1; n <= len(word)+1 && n <= len(name); n++ {
		if distance(word, name[:n]) == 1 {
			return true
		}
	}
	return false
}

// distance is the number of typing errors between two words: letters added, left
// out, replaced, or exchanged with their neighbour.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
