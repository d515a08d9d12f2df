package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// functions are all that an expression can call, beside date. expr-lang's other
// builtins build texts or objects, or run for minutes.
func functions() map[string]op {
	return map[string]op{
		"len": opLen, "min": opMin, "max": opMax, "abs": opAbs, "round": opRound,
		"lower": opLower, "upper": opUpper, "trim": opTrim,
		"any": opAny, "all": opAll, "none": opNone, "one": opOne, "count": opCount, "filter": opFilter,
	}
}

// windowFunctions look at many calls: they belong to rules with `over`.
func windowFunctions() []string {
	return []string{"calls", "rate", "avg", "sum", "p50", "p90", "p95", "p99", "distinct", "prev"}
}

// lifted says whether a call asks the window: min and max of one value do, those
// of several compare figures.
func (c *compiler) lifted(name string, args []ast.Node) bool {
	switch name {
	case "count":
		return true
	case "min", "max":
		return len(args) == 1
	default:
		return slices.Contains(windowFunctions(), name)
	}
}

func (c *compiler) windowFunction(name string, at file.Location) *node {
	if c.inArgument {
		return c.fail(at, CodeNestedWindow, name+" cannot stand within another window function", "each asks about single calls")
	}
	return c.fail(at, CodeWindowFunction, name+" looks at many calls: only in rules with over",
		"add `over: 15m` to the rule, or judge the single call")
}

func (c *compiler) call(name string, args []ast.Node, at file.Location) *node {
	o, ok := functions()[name]
	out := &node{op: o, loc: at}
	_, refused := refusedBuiltins()[name]
	switch {
	case name == "date":
		return c.date(args, at)
	case refused:
		return c.refuse(name, at)
	case name == "sum" && (c.figures == nil || c.inArgument || len(args) == 2) && c.asksElements(args):
		return c.sumOfElements(at)
	case c.ofWindow() && c.lifted(name, args):
		return c.figure(name, args, at)
	case slices.Contains(windowFunctions(), name):
		return c.windowFunction(name, at)
	case !ok:
		return c.unknownFunction(name, at)
	case out.predicate():
		return c.predicate(out, name, args)
	case o == opMin || o == opMax:
		return c.extreme(out, name, args)
	case len(args) != 1:
		return c.fail(at, CodeArguments, fmt.Sprintf("%s takes one argument, not %d", name, len(args)), c.pipeHint())
	}
	a := c.lower(args[0])
	if a.typ.kind == invalid {
		return a
	}
	out.args = []*node{a}
	switch o {
	case opLen:
		out.typ = typ{kind: number, whole: true}
		if k := a.typ.kind; k != text && k != list && k != dynamic && k != object {
			return c.fail(a.loc, CodeType, fmt.Sprintf("len counts texts and lists; %s is %s", a, a.typ), "")
		}
	case opAbs, opRound:
		out.typ = typ{kind: number, whole: o == opAbs && a.typ.whole}
		if !c.wantNumber(a, name) {
			return bad(at)
		}
	default:
		out.typ = typ{kind: text}
		if !c.wantText(a, name) {
			return bad(at)
		}
	}
	return c.made(out)
}

// pipeHint is for those who wrote a single stroke, which hands a value to a
// function.
func (c *compiler) pipeHint() string {
	if strings.Contains(strings.ReplaceAll(c.src, "||", ""), "|") {
		return "for either of two conditions write or, or ||"
	}
	return ""
}

func (c *compiler) unknownFunction(name string, at file.Location) *node {
	known := slices.Sorted(maps.Keys(c.names.functions))
	hint := "functions are " + strings.Join(known, ", ")
	if meant := nearest(name, known); meant != "" {
		hint = "did you mean " + meant + "?"
	}
	if _, ok := c.names.fields[name]; ok {
		return c.fail(at, CodeUnknownFunction, name+" is a field, not a function", "write "+name+" without parentheses")
	}
	return c.fail(at, CodeUnknownFunction, "unknown function "+name, hint)
}

// date is a time written out, read at load.
func (c *compiler) date(args []ast.Node, at file.Location) *node {
	hint := `e.g. date("2026-03-01") or date("2026-03-01T08:00:00Z")`
	if len(args) != 1 {
		return c.fail(at, CodeArguments, "date takes one quoted text", hint)
	}
	s, ok := args[0].(*ast.StringNode)
	if !ok {
		return c.fail(at, CodeTime, "date takes one quoted text", hint)
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		// Years that nanoseconds since 1970 can hold.
		if t, err := time.Parse(layout, s.Value); err == nil && t.Year() > 1700 && t.Year() < 2200 {
			return c.literal(ofTime(t), typ{kind: instant}, at)
		}
	}
	return c.fail(args[0].Location(), CodeTime, fmt.Sprintf("%q is not a time", s.Value), hint)
}

func (c *compiler) predicate(out *node, name string, args []ast.Node) *node {
	if len(args) == 0 || len(args) > 2 {
		return c.fail(out.loc, CodeArguments, name+" takes a list and a condition", fmt.Sprintf("e.g. %s(intervals, .mos < 3.5)", name))
	}
	if c.closure != nil {
		return c.fail(out.loc, CodeNestedClosure, name+" cannot stand within another predicate", "judge one list at a time")
	}
	l := c.lower(args[0])
	if l.typ.kind == invalid {
		return l
	}
	if len(args) == 1 {
		if out.op == opCount && l.typ.kind != list && l.typ.kind != dynamic {
			return c.windowFunction("count(condition)", out.loc)
		}
		return c.fail(out.loc, CodeArguments, name+" takes a list and a condition", fmt.Sprintf("e.g. %s(%s, ...); len(%[2]s) counts all elements", name, l))
	}
	if l.typ.kind != list && l.typ.kind != dynamic {
		return c.fail(start(args[0]), CodeType, fmt.Sprintf("%s looks at the elements of a list; %s is %s", name, l, l.typ), "")
	}
	c.closure = &closure{elem: l.typ.element(), path: l.path()}
	if l.typ.kind == dynamic {
		c.closure.elem = typ{kind: dynamic}
	}
	body, ok := args[1].(*ast.PredicateNode)
	if !ok {
		c.closure = nil
		return c.fail(out.loc, CodeArguments, name+" takes a list and a condition", "")
	}
	p := c.lower(body.Node)
	c.closure = nil
	if !c.wantBool(p, "the condition of "+name) {
		return bad(out.loc)
	}
	out.args = []*node{l, p}
	switch out.op {
	case opCount:
		out.typ = typ{kind: number, whole: true}
	case opFilter:
		out.typ = l.typ
		if l.typ.kind == dynamic {
			out.typ = typ{kind: list, elem: dynamic}
		}
	default:
		out.typ = typ{kind: boolean}
	}
	return c.made(out)
}

func (c *compiler) extreme(out *node, name string, args []ast.Node) *node {
	out.typ = typ{kind: number, whole: true}
	for _, arg := range args {
		a := c.lower(arg)
		out.args = append(out.args, a)
		elem := a.typ
		if len(args) == 1 && a.typ.kind == list {
			elem = a.typ.element()
		}
		switch {
		case a.typ.kind == invalid:
			return a
		case len(args) == 1 && a.typ.kind != list && a.typ.kind != dynamic:
			return c.windowFunction(name+" of a single value", out.loc)
		case elem.kind != number && elem.kind != dynamic:
			return c.fail(start(arg), CodeType, fmt.Sprintf("%s compares numbers; %s is %s", name, a, a.typ), "")
		}
		out.typ.whole = out.typ.whole && elem.whole
	}
	if len(args) == 0 {
		return c.fail(out.loc, CodeArguments, name+" takes two or more numbers, or a list of them", "")
	}
	return c.made(out)
}
