package condition

import (
	"fmt"
	"slices"

	"callwatch/call"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// Figures are what the expressions of one rule ask of its window: the calls to
// window functions, lifted out of their syntax trees. Expressions compiled with
// the same Figures share them.
type Figures struct {
	All  []Figure
	Args []*Argument // programs about single calls
}

// Figure is one number told of a window, e.g. `rate(mos < 3.5)`.
type Figure struct {
	Name string // in its normalized form
	Func string // calls, count, rate, avg, min, max, sum, p50, p90, p95, p99, distinct
	Arg  int    // place in Args; -1 for calls
	Prev bool   // of the window before
}

// Share says whether the figure is a share of 0..1.
func (f *Figure) Share() bool { return f.Func == "rate" }

// Argument is what a window function asks of each call.
type Argument struct {
	Text string // in its normalized form
	Cond bool   // a condition; otherwise a value
	root *node
}

// Fields are the names of the fields the argument reads, in source order.
func (a *Argument) Fields() []string {
	var names []string
	a.root.each(func(n *node) {
		if n.op == opField && !slices.Contains(names, n.field.Name) {
			names = append(names, n.field.Name)
		}
	})
	return names
}

// Judge tells whether a call meets the condition.
func (a *Argument) Judge(facts *Facts) Result {
	f := frame{facts: facts, steps: maxSteps}
	v := a.root.judge(&f)
	if v == broken {
		return Result{Unknown, f.err}
	}
	return Result{Truth: v.truth()}
}

// Number is the value for a call; false where it is unknown.
func (a *Argument) Number(facts *Facts) (float64, bool, error) {
	f := frame{facts: facts, steps: maxSteps}
	v := a.root.eval(&f)
	if v.kind == failed {
		return 0, false, f.err
	}
	v = v.number()
	return v.num, v.kind == number, nil
}

// Value is the value for a call as it is told apart from others; false where it
// is unknown.
func (a *Argument) Value(facts *Facts) (string, bool, error) {
	f := frame{facts: facts, steps: maxSteps}
	switch v := a.root.eval(&f); v.kind {
	case failed:
		return "", false, f.err
	case text:
		return v.text, true, nil
	case number, boolean, instant:
		return v.show(-1), true, nil
	default:
		return "", false, nil
	}
}

// Program is the argument as a program of its own, to explain single calls with;
// nil where it is no condition.
func (a *Argument) Program() *Program {
	if !a.Cond {
		return nil
	}
	return programOf(a.root)
}

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
	p := programOf(root)
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
		if len(args) > 0 {
			return c.fail(at, CodeArguments, "calls takes no argument", "write calls, or count(condition)")
		}
		return c.asked(Figure{Name: "calls", Func: "calls", Arg: -1}, nil, at)
	}
	if len(args) != 1 {
		return c.fail(at, CodeArguments, fmt.Sprintf("%s takes one argument, not %d", name, len(args)), "e.g. rate(mos < 3.5), p95(rttMs)")
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

// before is the same figure of the window before.
func (c *compiler) before(args []ast.Node, at file.Location) *node {
	hint := "e.g. avg(mos) < prev(avg(mos)) - 0.3"
	if len(args) != 1 {
		return c.fail(at, CodeArguments, "prev takes one window function", hint)
	}
	n := c.lower(args[0])
	switch {
	case n.typ.kind == invalid:
		return bad(at)
	case n.op != opFigure || c.figures.All[n.slot].Prev:
		return c.fail(at, CodeArguments, fmt.Sprintf("prev takes one window function, not %s", n), hint)
	}
	f := c.figures.All[n.slot]
	f.Name, f.Prev = "prev("+f.Name+")", true
	out := c.place(f, at)
	out.typ, out.field = n.typ, renamed(n.field, f.Name)
	return c.made(out)
}

// asked adds a figure and its argument, each once.
func (c *compiler) asked(f Figure, arg *node, at file.Location) *node {
	if arg != nil {
		wanted := Argument{Text: arg.String(), Cond: f.Func == "count" || f.Func == "rate", root: arg}
		f.Arg = slices.IndexFunc(c.figures.Args, func(a *Argument) bool { return a.Text == wanted.Text && a.Cond == wanted.Cond })
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
		f.Max = nil
	}
	return &f
}

func renamed(f *call.Field, name string) *call.Field {
	named := *f
	named.Name = name
	return &named
}

// Figures are the places of the figures the program reads, in source order.
func (p *Program) Figures() []int {
	var slots []int
	p.root.each(func(n *node) {
		if n.op == opFigure && !slices.Contains(slots, n.slot) {
			slots = append(slots, n.slot)
		}
	})
	return slots
}

// LoadFigures takes the figures of a window, in the order of Figures.All, in
// place of the facts of a call; NaN is unknown.
func (f *Facts) LoadFigures(values []float64) {
	f.event, f.figures = nil, values
}

// Limit is what a single comparison with a number says; false for any other
// program.
type Limit struct {
	Of     string // what is compared, in its normalized form
	Op     string // < <= > >= == !=
	Number float64
	op     op
	slot   int // of a figure, else -1
}

// Limit of a program that is one comparison with a number written out.
func (p *Program) Limit() (Limit, bool) { return p.root.limitOf() }

func (n *node) limitOf() (Limit, bool) {
	if !n.comparison() {
		return Limit{}, false
	}
	o, a, b := n.op, n.args[0], n.args[1]
	if a.isLiteral() {
		o, a, b = o.mirror(), b, a
	}
	if !b.isLiteral() || b.typ.kind != number {
		return Limit{}, false
	}
	l := Limit{Of: a.String(), Op: o.symbol(), Number: b.val.num, op: o, slot: -1}
	if a.op == opFigure {
		l.slot = a.slot
	}
	return l, true
}

// Holds says whether a number is beyond the limit.
func (l Limit) Holds(v float64) bool {
	a, b := ofNumber(v), ofNumber(l.Number)
	c, _ := order(&a, &b)
	return l.op.holds(c)
}

// Below says whether the limit is met by small numbers.
func (l Limit) Below() bool { return l.op == opLess || l.op == opLessEqual }

// Lead is the figure that the program is about: the first that is compared with
// a number, else the first on the left of a comparison, else the first named; -1
// for none. The limit tells the direction, and where limited the number as well.
func (p *Program) Lead() (slot int, limit Limit, limited bool) {
	slot = -1
	compared := false
	p.root.each(func(n *node) {
		l, ok := n.limitOf()
		switch {
		case limited:
		case ok && l.slot >= 0:
			slot, limit, limited = l.slot, l, true
		case n.comparison() && n.args[0].op == opFigure && !compared:
			slot, limit, compared = n.args[0].slot, Limit{Of: n.args[0].key, Op: n.op.symbol(), op: n.op, slot: n.args[0].slot}, true
		case n.op == opFigure && slot < 0:
			slot, limit.slot = n.slot, n.slot
		}
	})
	return slot, limit, limited
}

// Implies says whether a number beyond limit l is always beyond o as well.
func (l Limit) Implies(o Limit) bool {
	if l.Of != o.Of {
		return false
	}
	switch {
	case l.Below() && o.Below():
		return l.Number < o.Number || l.Number == o.Number && (l.op == o.op || l.op == opLess)
	case l.above() && o.above():
		return l.Number > o.Number || l.Number == o.Number && (l.op == o.op || l.op == opGreater)
	case l.op == opEqual:
		return o.Holds(l.Number)
	}
	return false
}

// Excludes says whether no number is beyond both limits.
func (l Limit) Excludes(o Limit) bool {
	if l.Of != o.Of {
		return false
	}
	if o.op == opEqual {
		l, o = o, l
	}
	switch {
	case l.op == opEqual:
		return !o.Holds(l.Number)
	case l.Below() && o.above():
		return l.Number < o.Number || l.Number == o.Number && (l.op == opLess || o.op == opGreater)
	case l.above() && o.Below():
		return o.Excludes(l)
	}
	return false
}

func (l Limit) above() bool { return l.op == opGreater || l.op == opGreaterEqual }
