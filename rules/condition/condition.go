// Package condition is the expression language of rules: expr-lang's grammar
// over the field table of package call, in three-valued logic.
//
// A comparison with an unknown operand is Unknown; and, or, not are Kleene's;
// `x == nil`, `x != nil` and `x ?? d` ask about the knowledge itself and are
// never Unknown for it. Only True matches.
//
// Expressions about windows of calls are the same language over figures such as
// `rate(mos < 3.5)`: CompileWindow lifts those out of the syntax tree, their
// arguments being programs about single calls.
//
// The grammar, its positions and its syntax errors are expr-lang's. Types,
// evaluation and explanation are our own, so that Unknown is exact in every
// position, nothing is allocated per evaluation, and every leaf can say which
// value it met.
//
// On calls where every used field is known the outcome equals that of
// expr-lang's own machine, with these exceptions. The difference of two times is
// a number of seconds. Division by zero, and a result that is no finite number,
// is an error. An element or member that is not there is unknown. Members of raw
// compare by type, a text that reads as a number or truth value with those too;
// any other mixture is unknown. An empty list or text of a call is an unknown one.
//
// Numbers may be bounded: an element of which the condition of count or filter is
// unknown may count or not, and a figure of a window lies between two ends.
// Arithmetic on them is interval arithmetic; a comparison is True or False only
// where every number between the ends gives the same.
package condition

import (
	"errors"
	"slices"
	"time"
)

// Truth is the outcome of a condition in three-valued logic.
type Truth string

const (
	True    Truth = "true"
	False   Truth = "false"
	Unknown Truth = "unknown" // it depends on a field nobody has reported
)

// Bounds of one expression, macros expanded.
const (
	maxBytes  = 4096
	maxNodes  = 500
	maxRange  = 1000
	maxSteps  = 1 << 20 // nodes visited by one evaluation, long texts counted by their length
	maxRegexp = 1000    // instructions of a compiled pattern

	explainSteps = 4 * maxSteps // explanations evaluate sub-expressions more than once
)

// ErrTooLong is the error of an evaluation that was given up after about a
// million steps.
var ErrTooLong = errors.New("evaluation took more than a million steps")

// EvalError is a run-time error of an expression: the outcome is Unknown, never
// False.
type EvalError struct {
	Expr   string // the sub-expression, e.g. "packetsLost / packetsReceived"
	Reason string // e.g. "division by zero"
}

func (e *EvalError) Error() string { return e.Expr + ": " + e.Reason }

// Result is the outcome of one evaluation. Err is set only where Truth is
// Unknown because of it.
type Result struct {
	Truth Truth
	Err   error
}

// Program is a compiled boolean expression. It is immutable: any number of
// goroutines may evaluate it, each with its own Facts.
type Program struct {
	root   *node
	fields []string
	size   int            // nodes, macros expanded
	zone   *time.Location // of hour and weekday; nil: UTC
}

// Size is how many parts the expression has, macros expanded.
func (p *Program) Size() int { return p.size }

// Compile parses and checks one expression. The program is nil where a problem
// is an error; warnings come beside a program. All problems of the expression
// are reported together, except that a syntax error ends the reading.
func Compile(src string, env Env) (*Program, []Problem) {
	c := newCompiler(src, env)
	root := c.compile()
	if root != nil {
		c.wantWhole(root)
	}
	if c.failed() {
		return nil, c.sorted()
	}
	p := programOf(root, env.Zone)
	p.size = c.count
	if p.weighsLength() {
		c.problems = slices.DeleteFunc(c.problems, func(p Problem) bool { return p.Code == CodePreferLossPct })
	}
	if len(p.fields) == 0 && !root.contains((*node).ofClock) {
		c.warn(c.whole(), CodeConstant, "it names no field, so its outcome never changes", "")
	}
	return p, c.sorted()
}

func programOf(root *node, zone *time.Location) *Program {
	p := &Program{root: root, zone: zone}
	root.each(func(n *node) {
		if n.op == opField && !slices.Contains(p.fields, n.field.Name) {
			p.fields = append(p.fields, n.field.Name)
		}
	})
	return p
}

// weighsLength says whether the expression looks at how long the call was, at the
// share of packets lost or at the quality, itself: then a count of packets is
// meant.
func (p *Program) weighsLength() bool {
	return slices.ContainsFunc(p.fields, func(name string) bool {
		return name == "durationSec" || name == "packetsReceived" || name == "packetLossPct" || name == "mos"
	})
}

// Eval judges one call. It allocates nothing unless the expression builds a text
// or a list.
func (p *Program) Eval(facts *Facts) Result {
	f := frame{facts: facts, zone: p.zone, steps: maxSteps}
	v := p.root.judge(&f)
	if v == broken {
		return Result{Unknown, f.err}
	}
	return Result{Truth: v.truth()}
}

// Fields are the names of the fields the expression reads, in source order.
func (p *Program) Fields() []string { return p.fields }

// String is the expression in its normalized form, macros expanded.
func (p *Program) String() string { return p.root.String() }
