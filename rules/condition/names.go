package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callwatch/call"
	"callwatch/yamlfile/spelling"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/utils"
)

// Env is what an expression can name beside the fields of a call.
type Env struct {
	Macros map[string]string   // `define`: name to expression, expanded in the syntax tree
	Lists  map[string][]string // `lists`: name to texts, for `from in us_carriers`

	Tables map[string]*Table // `lookup`: what they give, by name

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
	for name := range e.Tables {
		c := &compiler{src: name, env: e, names: names}
		c.checkName(name)
		if _, ok := e.Lists[name]; ok || e.Macros[name] != "" {
			c.fail(c.whole(), CodeBadName, name+" is a list or macro already", "give one of them another name")
		}
		if len(c.problems) > 0 {
			found[name] = append(found[name], c.problems...)
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
	return field || list || macro || env.Tables[name] != nil || slices.Contains(n.clockNames(), name)
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
	if table := c.table(n.Value, n.Location()); table != nil {
		return table
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
	known = slices.AppendSeq(known, maps.Keys(c.env.Tables))
	meant := spelling.Nearest(name, known)
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

// SuggestField says which field of a call an unknown name was probably meant to
// be, "" where none is near.
func SuggestField(name string) string {
	c := newCompiler("", Env{})
	if slices.Contains(c.names.clockNames(), name) {
		return name + " is read in conditions only"
	}
	fields := *c.names
	fields.clock = false
	c.names = &fields
	return c.suggest(name)
}
