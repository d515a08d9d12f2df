package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"callwatch/yamlfile/spelling"
)

// functions are all that an expression can call, beside date. expr-lang's
// other builtins build objects, or run for minutes.
func functions() map[string]op {
	return map[string]op{
		"len": opLen, "min": opMin, "max": opMax, "ratio": opRatio, "abs": opAbs, "round": opRound, "floor": opFloor, "ceil": opCeil,
		"int": opInt, "float": opFloat, "string": opString,
		"lower": opLower, "upper": opUpper, "trim": opTrim, "split": opSplit, "replace": opReplace,
		"hasPrefix": opStartsWith, "hasSuffix": opEndsWith, "first": opIndex, "last": opIndex,
		"any": opAny, "all": opAll, "none": opNone, "one": opOne, "count": opCount, "longest": opLongest,
		"filter": opFilter, "find": opFind, "map": opMap, "sum": opSum, "mean": opMean, "median": opMedian,
	}
}

// laterFunctions came after files had macros and lists of these names: they stay
// what such a file defines, since a macro is not called.
func laterFunctions() []string {
	return []string{
		"floor", "ceil", "int", "float", "string", "split", "replace", "hasPrefix", "hasSuffix", "first", "last",
		"longest", "find", "map", "mean", "median", "p", "ratio",
	}
}

// windowFunctions look at many calls: they belong to rules with `over`.
func windowFunctions() []string {
	return []string{"calls", "rate", "avg", "sum", "p50", "p90", "p95", "p99", "p", "distinct", "prev"}
}

// lifted says whether a call asks the window: min, max and sum of one value do, those
// of several are about figures, or about the elements of a list.
func (c *compiler) lifted(name string, args []ast.Node) bool {
	switch name {
	case "count":
		return true
	case "min", "max", "sum":
		return len(args) == 1
	default:
		return slices.Contains(windowFunctions(), name)
	}
}

func (c *compiler) windowFunction(name string, at file.Location) *node {
	if c.inArgument {
		return c.fail(at, CodeNestedWindow, name+" is not allowed within another window function", "each asks about single calls")
	}
	return c.fail(at, CodeWindowFunction, name+" looks at many calls: only in rules with over",
		"add `over: 15m` to the rule, or judge the single call")
}

func (c *compiler) call(name string, args []ast.Node, at file.Location) *node {
	o, ok := functions()[name]
	out := &node{op: o, loc: at}
	_, refused := refusedBuiltins()[name]
	f, known := formOf(name)
	switch {
	case refused:
		return c.refuse(name, at)
	case known && (len(args) < f.least || len(args) > f.most):
		return c.wrongCount(name, f, len(args), at)
	case name == "date":
		return c.date(args, at)
	case c.ofWindow() && c.lifted(name, args):
		return c.figure(name, args, at)
	case slices.Contains(windowFunctions(), name) && name != "sum":
		return c.windowFunction(name, at)
	case !ok:
		return c.unknownFunction(name, at)
	case o >= opAny && o <= opMap:
		return c.predicate(out, name, args)
	case o == opMin || o == opMax:
		return c.extreme(out, name, args)
	case o == opSum || o == opMean || o == opMedian:
		return c.aggregate(out, name, args)
	}
	for _, arg := range args {
		a := c.lower(arg)
		if a.typ.kind == invalid {
			return a
		}
		out.args = append(out.args, a)
	}
	return c.function(out, name)
}

// argumentTypes are what the arguments of a function of single values must be;
// dynamic where function looks at them itself.
func argumentTypes(o op) []kind {
	switch o {
	case opAbs, opRound, opFloor, opCeil:
		return []kind{number}
	case opRatio:
		return []kind{number, number, number}
	case opLower, opUpper, opTrim:
		return []kind{text}
	case opStartsWith, opEndsWith, opSplit:
		return []kind{text, text}
	case opReplace:
		return []kind{text, text, text}
	default:
		return []kind{dynamic}
	}
}

// function checks the arguments of a function of single values and gives it its
// type.
func (c *compiler) function(out *node, name string) *node {
	for i, want := range argumentTypes(out.op) {
		if want == number && !c.wantNumber(out.args[i], name) || want == text && !c.wantText(out.args[i], name) {
			return bad(out.loc)
		}
	}
	a := out.args[0]
	refuse := func(takes string) *node {
		return c.fail(a.loc, CodeType, fmt.Sprintf("%s %s; %s is %s", name, takes, a, a.typ), "")
	}
	switch k := a.typ.kind; out.op {
	case opLen:
		out.typ = typ{kind: number, whole: true}
		if k != text && k != list && k != dynamic && k != object {
			return refuse("counts texts and lists")
		}
	case opAbs, opRound, opFloor, opCeil:
		out.typ = typ{kind: number, whole: out.op == opAbs && a.typ.whole}
	case opInt, opFloat:
		out.typ = typ{kind: number, whole: out.op == opInt}
		if k != number && k != text && k != dynamic {
			return refuse("takes a number or a text that reads as one")
		}
	case opString:
		out.typ = typ{kind: text}
		if k != number && k != text && k != boolean && k != dynamic {
			return refuse("takes a number, a text or a truth value")
		}
	case opIndex: // first, last
		if k != list && k != dynamic {
			return refuse("takes a list")
		}
		place := 0.0
		if name == "last" {
			place = -1
		}
		out.args = append(out.args, c.literal(ofNumber(place), typ{kind: number, whole: true}, out.loc))
		if out.typ = a.typ.element(); k == dynamic {
			out.typ = typ{kind: dynamic}
		}
	case opRatio:
		if least := out.args[2]; !least.isLiteral() || least.typ.kind != number || least.val.num <= 0 {
			return c.fail(least.loc, CodeArguments, "the last argument of ratio is a number above 0 written out: with less below the line, it is unknown",
				"e.g. ratio(count(shortCall), count(answered), 50)")
		}
		if out.typ = (typ{kind: number}); c.figures != nil {
			markShare(out.args[0], out.args[1], c.figures.All)
		}
		return c.made(out.fails())
	case opStartsWith, opEndsWith:
		out.typ = typ{kind: boolean}
	case opSplit:
		out.typ = typ{kind: list, elem: text}
		out.err = &EvalError{out.String(), fmt.Sprintf("the text has more than %d parts", maxParts)}
	default:
		out.typ = typ{kind: text}
		out.err = &EvalError{out.String(), fmt.Sprintf("the text would be longer than %d bytes", maxBuilt)}
	}
	return c.made(out)
}

func (c *compiler) unknownFunction(name string, at file.Location) *node {
	known := slices.Sorted(maps.Keys(c.names.functions))
	hint := "functions are " + strings.Join(known, ", ")
	if meant := spelling.Nearest(name, known); meant != "" {
		hint = "did you mean " + meant + "?"
	}
	if m := partPercentile.FindStringSubmatch(name + "("); m != nil {
		hint = fmt.Sprintf("in a rule with over, p(x, %s)", m[1])
	}
	if _, ok := c.names.fields[name]; ok {
		return c.fail(at, CodeUnknownFunction, name+" is a field, not a function", "write "+name+" without parentheses")
	}
	return c.fail(at, CodeUnknownFunction, "unknown function "+name, hint)
}

// date is a time written out, read at load.
func (c *compiler) date(args []ast.Node, at file.Location) *node {
	f, _ := formOf("date")
	hint := f.hint()
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
	if c.closure != nil {
		return c.fail(out.loc, CodeNestedClosure, name+" is not allowed within another predicate", "judge one list at a time")
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
	body, ok := args[1].(*ast.PredicateNode)
	if !ok {
		return c.fail(out.loc, CodeArguments, name+" takes a list and a condition", "")
	}
	p := c.eachElement(l, body)
	if out.op == opMap {
		return c.mapping(out, l, p)
	}
	if !c.wantBool(p, "the condition of "+name) {
		return bad(out.loc)
	}
	out.args = []*node{l, p}
	switch out.op {
	case opCount, opLongest:
		out.typ = typ{kind: number, whole: true}
	case opFind:
		if out.typ = l.typ.element(); l.typ.kind == dynamic {
			out.typ = typ{kind: dynamic}
		}
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

// mapping is the type of map(list, value).
func (c *compiler) mapping(out, l, body *node) *node {
	switch body.typ.kind {
	case invalid:
		return body
	case list, object, null:
		return c.fail(body.loc, CodeType, fmt.Sprintf("%s is %s; lists hold numbers, texts or truth values", body, body.typ), "")
	}
	out.args, out.typ = []*node{l, body}, typ{kind: list, elem: body.typ.kind, whole: body.typ.whole}
	return c.made(out)
}

// extreme is min or max: of several numbers, of a list, or of a number of each
// element of a list.
func (c *compiler) extreme(out *node, name string, args []ast.Node) *node {
	each := false
	if len(args) == 2 {
		_, each = args[1].(*ast.PredicateNode)
	}
	if len(args) == 1 || each {
		out.op = map[op]op{opMin: opLeast, opMax: opGreatest}[out.op]
		return c.aggregate(out, name, args)
	}
	out.typ = typ{kind: number, whole: true}
	for _, arg := range args {
		a := c.lower(arg)
		out.args = append(out.args, a)
		switch {
		case a.typ.kind == invalid:
			return a
		case a.typ.kind == list && c.closure != nil:
			return c.fail(out.loc, CodeNestedClosure, name+" is not allowed within another predicate", "judge one list at a time")
		case a.typ.kind == list:
			return c.fail(start(arg), CodeType, fmt.Sprintf("%s compares numbers; %s is %s", name, a, a.typ),
				fmt.Sprintf("of each element of a list: %s(intervals, .jitterMs)", name))
		case a.typ.kind != number && a.typ.kind != dynamic:
			return c.fail(start(arg), CodeType, fmt.Sprintf("%s compares numbers; %s is %s", name, a, a.typ), "")
		}
		out.typ.whole = out.typ.whole && a.typ.whole
	}
	return c.made(out)
}
