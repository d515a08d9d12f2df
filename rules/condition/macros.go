package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

const (
	maxMacroDepth = 64 // levels of macros that name macros
	maxCycleNames = 6  // names shown of a longer cycle
)

// definitions are the names of an Env, compiled once: expressions share the nodes of a macro and the
// values of a list.
type definitions struct {
	macros map[string]*macro
	sorted []*macro // by name
	lists  map[string]*items
	names  *names
}

// macro is one entry of `define`.
type macro struct {
	name     string
	problems []Problem
	root     *node // nil where it has errors
	size     int   // nodes of root, the macros within expanded

	src   string
	tree  ast.Node // nil where it cannot be parsed
	uses  []use    // macros it names, each once
	depth int      // levels of macros below it, itself included
	state visitState
}

// use is a macro's name within another one.
type use struct {
	name string
	at   file.Location
}

type visitState uint8

const (
	notVisited visitState = iota
	visiting
	visited
)

// Compiled is the Env with its macros and lists compiled. Expressions that are
// compiled with it do not compile them again.
func (e Env) Compiled() Env {
	if e.compiled != nil {
		return e
	}
	d := &definitions{macros: map[string]*macro{}, lists: map[string]*items{}, names: newNames(nil)}
	for name, texts := range e.Lists {
		l := &items{texts: map[string]bool{}, values: make([]value, 0, len(texts))}
		for _, t := range texts {
			l.values, l.texts[t] = append(l.values, ofText(t)), true
		}
		d.lists[name] = l
	}
	e.compiled, e.names = d, d.names
	for name, src := range e.Macros {
		d.macros[name] = &macro{name: name, src: src}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Macros)) {
		d.sorted = append(d.sorted, d.macros[name])
		d.macros[name].parse(e)
	}
	for _, m := range d.inOrder() {
		m.compile(e)
	}
	return e
}

// parse reads the macro's source and finds the macros it names.
func (m *macro) parse(e Env) {
	c := &compiler{src: m.src, env: e, names: e.names}
	m.tree = c.parse()
	m.problems = c.problems
	if m.tree == nil {
		return
	}
	ast.Find(m.tree, func(n ast.Node) bool {
		id, ok := n.(*ast.IdentifierNode)
		if !ok || c.names.isField(id.Value) || e.Lists[id.Value] != nil {
			return false
		}
		if _, ok := e.Macros[id.Value]; ok && !slices.ContainsFunc(m.uses, func(u use) bool { return u.name == id.Value }) {
			m.uses = append(m.uses, use{id.Value, id.Location()})
		}
		return false
	})
}

// compile checks the macro on its own; those it names are compiled already.
func (m *macro) compile(e Env) {
	if m.tree == nil || len(m.problems) > 0 {
		return
	}
	c := &compiler{src: m.src, env: e, names: e.names}
	if m.depth > maxMacroDepth {
		c.fail(c.whole(), CodeTooComplex, fmt.Sprintf("macros name each other over more than %d levels", maxMacroDepth), "")
	} else {
		m.root = c.lower(m.tree)
	}
	m.problems, m.size = c.sorted(), c.count
	if c.failed() {
		m.root = nil
	}
}

// code is that of the error that keeps the macro from being used.
func (m *macro) code() Code {
	for _, p := range m.problems {
		if p.Severity == Error {
			return p.Code
		}
	}
	return ""
}

// inOrder lists the macros so that each comes after those it names, and reports
// those that are defined by themselves. It does not recurse: a file may define a
// long chain.
func (d *definitions) inOrder() []*macro {
	order := make([]*macro, 0, len(d.macros))
	type step struct {
		m    *macro
		next int // of its uses
	}
	for _, first := range d.sorted {
		if first.state != notVisited {
			continue
		}
		first.state = visiting
		path := []step{{m: first}}
		for len(path) > 0 {
			top := &path[len(path)-1]
			if top.next == len(top.m.uses) {
				top.m.finish(d)
				order = append(order, top.m)
				path = path[:len(path)-1]
				continue
			}
			u := top.m.uses[top.next]
			top.next++
			switch m := d.macros[u.name]; m.state {
			case notVisited:
				m.state = visiting
				path = append(path, step{m: m})
			case visiting:
				at := slices.IndexFunc(path, func(s step) bool { return s.m == m })
				cycle := make([]string, 0, len(path)-at+1)
				for _, s := range path[at:] {
					cycle = append(cycle, s.m.name)
				}
				top.m.cyclic(u, cycle)
			}
		}
	}
	return order
}

// finish is called once everything that the macro names is finished. A macro
// that names one that is part of a cycle cannot be used either.
func (m *macro) finish(d *definitions) {
	m.state, m.depth = visited, 1
	for _, u := range m.uses {
		used := d.macros[u.name]
		m.depth = max(m.depth, used.depth+1)
		if len(m.problems) == 0 && used.code() == CodeMacroCycle {
			c := &compiler{src: m.src}
			c.fail(u.at, CodeMacroCycle, used.problems[0].Message, "")
			m.problems = c.problems
		}
	}
}

// cyclic reports that the use of a name closes a cycle.
func (m *macro) cyclic(u use, cycle []string) {
	if len(m.problems) > 0 {
		return
	}
	shown := append(slices.Clone(cycle), u.name)
	if n := len(shown); n > maxCycleNames {
		shown = append(append(shown[:maxCycleNames-2:maxCycleNames-2], "..."), shown[n-2:]...)
	}
	c := &compiler{src: m.src}
	c.fail(u.at, CodeMacroCycle, u.name+" is defined by itself: "+strings.Join(shown, " -> "), "")
	m.problems = c.problems
}

// expand puts the nodes of a macro in the place of its name.
func (c *compiler) expand(m *macro, at file.Location) *node {
	switch code := m.code(); code {
	case "":
	case CodeMacroCycle:
		return c.fail(at, code, m.problems[0].Message, "")
	case CodeTooComplex:
		return c.tooComplex(at)
	default:
		return c.fail(at, CodeBrokenMacro, m.name+" cannot be used: its definition has problems", "")
	}
	switch {
	case c.ofWindow() && m.root.contains((*node).ofCall):
		return c.fail(at, CodeOneCall, m.name+" is about one call; the window has many", "e.g. rate("+m.name+")")
	case c.closure != nil && m.root.contains((*node).predicate):
		return c.fail(at, CodeNestedClosure, m.name+" asks about the elements of a list: it is not allowed within another predicate", "judge one list at a time")
	case c.closure != nil && m.root.contains(func(n *node) bool { return n.op == opConcat }):
		return c.fail(at, CodeTextBuilding, m.name+" joins texts: it is not allowed within a predicate", "compare the parts by themselves")
	}
	if c.count += m.size; c.count > maxNodes {
		return c.tooComplex(at)
	}
	named := *m.root
	named.macro, named.loc = m.name, at
	return &named
}

// ofCall says whether the node reads a field of one call.
func (n *node) ofCall() bool { return n.op == opField }

// contains says whether n or a node below it fits.
func (n *node) contains(fit func(*node) bool) bool {
	if fit(n) {
		return true
	}
	return slices.ContainsFunc(n.args, func(a *node) bool { return a != nil && a.contains(fit) })
}
