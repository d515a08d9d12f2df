package condition

import (
	"fmt"
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"callwatch/call"
)

// CompileWindow is Compile for expressions about the calls of a window. What
// they ask of it is added to figures; the program reads the answers from facts
// given to LoadFigures, in their order.
func CompileWindow(src string, env Env, figures *Figures) (*Program, []Problem) {
	c := newCompiler(src, env)
	c.figures = figures
	root := c.compile()
	if root != nil {
		c.wantWhole(root)
	}
	if c.failed() {
		return nil, c.sorted()
	}
	p := programOf(root, env.Zone)
	p.size = c.count
	if len(p.Figures()) == 0 {
		c.warn(c.whole(), CodeConstant, "it asks nothing of the window, so its outcome never changes", "")
	}
	return p, c.sorted()
}

// ofWindow says whether the expression is read at the level of the window.
func (c *compiler) ofWindow() bool { return c.figures != nil && !c.inArgument }

// oneCall refuses a field where a window has no single value.
func (c *compiler) oneCall(name string, typ typ, at file.Location) *node {
	hint := fmt.Sprintf("e.g. rate(%s == ...), or put it into where", name)
	if typ.kind == number {
		hint = fmt.Sprintf("e.g. avg(%s), p95(%[1]s) or rate(%[1]s > ...)", name)
	}
	if typ.kind == list {
		hint = fmt.Sprintf("ask one call about its elements, e.g. avg(max(%s, .jitterMs)) or rate(any(%[1]s, .mos < 3.5))", name)
	}
	if typ.kind == boolean {
		hint = fmt.Sprintf("e.g. rate(%s)", name)
	}
	return c.fail(at, CodeOneCall, name+" is of one call; the window has many", hint)
}

// figure lowers a window function.
func (c *compiler) figure(name string, args []ast.Node, at file.Location) *node {
	if name == "prev" {
		return c.before(args, at)
	}
	if name == "calls" {
		return c.asked(Figure{Name: "calls", Func: "calls", Arg: -1}, nil, at)
	}
	if name == "p" {
		return c.percentile(args, at)
	}
	if len(args) != 1 {
		return c.fail(at, CodeArguments, name+" of the calls of a window takes one condition",
			"e.g. count(mos < 3.5), or of the elements of a list of each call: count(any(intervals, .mos < 3.5))")
	}
	c.inArgument = true
	a := c.lower(args[0])
	c.inArgument = false
	if a.typ.kind == invalid {
		return bad(at)
	}
	cond := name == "count" || name == "rate"
	switch {
	case cond && !c.wantBool(a, "what "+name+" counts"),
		!cond && name != "distinct" && !c.wantNumber(a, name):
		return bad(at)
	case name == "distinct" && (a.typ.kind == list || a.typ.kind == object || a.typ.kind == interval || a.typ.kind == null):
		return c.fail(a.loc, CodeType, fmt.Sprintf("distinct tells texts and numbers apart; %s is %s", a, a.typ), "")
	case a.isLiteral():
		return c.fail(a.loc, CodeType, fmt.Sprintf("%s(%s) asks nothing of the calls", name, a), "name a field")
	}
	return c.asked(Figure{Name: name + "(" + a.String() + ")", Func: name}, a, at)
}

// percentile is p(x, percent). Those that have a function of their own are that.
func (c *compiler) percentile(args []ast.Node, at file.Location) *node {
	hint := "e.g. p(rttMs, 99.5)"
	percent := c.lower(args[1])
	switch {
	case percent.typ.kind == invalid:
		return percent
	case !percent.isLiteral() || percent.typ.kind != number || percent.val.num <= 0 || percent.val.num >= 100:
		return c.fail(start(args[1]), CodeArguments, "the percentage of p is a number between 0 and 100 written out", hint)
	}
	if share := percent.val.num; share < 1 {
		c.warn(start(args[1]), CodeShareForPercent, fmt.Sprintf("the second argument of p is in percent; %s was probably meant as a share", percent), fmt.Sprintf("for the %sth percentile write %[1]s", plain(share*100)))
	}
	function := "p" + plain(percent.val.num)
	if slices.Contains(windowFunctions(), function) {
		return c.figure(function, args[:1], at)
	}
	c.inArgument = true
	a := c.lower(args[0])
	c.inArgument = false
	switch {
	case a.typ.kind == invalid || !c.wantNumber(a, "p"):
		return bad(at)
	case a.isLiteral():
		return c.fail(a.loc, CodeType, fmt.Sprintf("p(%s, %s) asks nothing of the calls", a, percent), "name a field")
	}
	return c.asked(Figure{Name: fmt.Sprintf("p(%s, %s)", a, percent), Func: function}, a, at)
}

// before is the same figure of the window before, or of that so long ago.
func (c *compiler) before(args []ast.Node, at file.Location) *node {
	hint := "e.g. avg(mos) < prev(avg(mos)) - 0.3, or prev(rate(answered), 24h)"
	var written string
	var ago time.Duration
	if len(args) == 2 {
		var ok bool
		switch written, ago, ok = spanOf(args[1]); {
		case !ok:
			return c.fail(start(args[1]), CodeArguments, "the second argument of prev is how long ago the window was", "a span of time without quotes, e.g. prev(rate(answered), 24h) or 7d")
		case ago <= 0 || ago > maxAgo:
			return c.fail(start(args[1]), CodeArguments, fmt.Sprintf("prev does not go back %s", written), "at most 31d, e.g. prev(rate(answered), 7d)")
		}
	}
	n := c.lower(args[0])
	switch {
	case n.typ.kind == invalid:
		return bad(at)
	case n.op != opFigure || c.figures.All[n.slot].Prev:
		return c.fail(at, CodeArguments, fmt.Sprintf("prev takes one window function, not %s", n), hint)
	}
	f := c.figures.All[n.slot]
	f.Name, f.Prev, f.Ago = "prev("+f.Name+")", true, ago
	if ago > 0 {
		f.Name = fmt.Sprintf("prev(%s, %s)", c.figures.All[n.slot].Name, written)
	}
	out := c.place(f, at)
	out.typ, out.field = n.typ, renamed(n.field, f.Name)
	return c.made(out)
}

// asked adds a figure and its argument, each once.
func (c *compiler) asked(f Figure, arg *node, at file.Location) *node {
	if arg != nil {
		wanted := Argument{Text: arg.String(), Cond: f.Func == "count" || f.Func == "rate", Many: f.Func == "distinct", root: arg, zone: c.env.Zone}
		f.Arg = slices.IndexFunc(c.figures.Args, func(a *Argument) bool {
			return a.Text == wanted.Text && a.Cond == wanted.Cond && a.Many == wanted.Many
		})
		if f.Arg < 0 {
			f.Arg = len(c.figures.Args)
			c.figures.Args = append(c.figures.Args, &wanted)
		}
	}
	out := c.place(f, at)
	out.field = renamed(rangeOfFigure(f.Func, arg), f.Name)
	out.typ = typ{kind: number, whole: f.Func == "calls" || f.Func == "count" || f.Func == "distinct"}
	return c.made(out)
}

func (c *compiler) place(f Figure, at file.Location) *node {
	slot := slices.Index(c.figures.All, f)
	if slot < 0 {
		slot = len(c.figures.All)
		c.figures.All = append(c.figures.All, f)
	}
	return &node{op: opFigure, slot: slot, key: f.Name, loc: at}
}

// rangeOfFigure is what values a window function can have, as a row of the field
// table, so that a limit beyond them is found.
func rangeOfFigure(function string, arg *node) *call.Field {
	switch function {
	case "rate":
		return &call.Field{Min: new(0.0), Max: new(1.0)}
	case "calls", "count", "distinct":
		return &call.Field{Min: new(0.0)}
	}
	if arg.field == nil {
		return &call.Field{}
	}
	f := call.Field{Unit: arg.field.Unit, Min: arg.field.Min, Max: arg.field.Max}
	if function == "sum" {
		sumRange(&f)
	}
	return &f
}

func renamed(f *call.Field, name string) *call.Field {
	named := *f
	named.Name = name
	return &named
}
