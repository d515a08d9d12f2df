package condition

import (
	"cmp"
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// Severity of a problem.
type Severity string

const (
	Error   Severity = "error"   // the expression is refused
	Warning Severity = "warning" // it works, but probably not as meant
)

// Code names a kind of problem. Codes do not change: tools filter by them.
type Code string

const (
	CodeEmpty            Code = "empty-condition"
	CodeTooLong          Code = "too-long"
	CodeTooComplex       Code = "too-complex"
	CodeSyntax           Code = "syntax"
	CodeUnsupported      Code = "unsupported"
	CodeUnknownField     Code = "unknown-field"
	CodeUnknownFunction  Code = "unknown-function"
	CodeWindowFunction   Code = "window-function"
	CodeOneCall          Code = "one-call"
	CodeNestedWindow     Code = "nested-window"
	CodeArguments        Code = "wrong-arguments"
	CodeType             Code = "type-mismatch"
	CodeNotBoolean       Code = "not-boolean"
	CodeAnyType          Code = "any-type"
	CodeNestedClosure    Code = "nested-closure"
	CodeTextBuilding     Code = "text-building"
	CodeRange            Code = "bad-range"
	CodePattern          Code = "bad-pattern"
	CodeTime             Code = "bad-time"
	CodeEmptyList        Code = "empty-list"
	CodeArithmetic       Code = "arithmetic"
	CodeNeverHolds       Code = "never-holds"
	CodeAlwaysHolds      Code = "always-holds"
	CodeUnknownValue     Code = "unknown-value"
	CodeMacroCycle       Code = "macro-cycle"
	CodeBrokenMacro      Code = "broken-macro"
	CodeBadName          Code = "bad-name"
	CodeConstant         Code = "constant-condition" // warning
	CodeWrongLength      Code = "wrong-length"       // warning
	CodeSecondsForMillis Code = "seconds-for-ms"     // warning
	CodePreferLossPct    Code = "prefer-loss-pct"    // warning
	CodeFractionInRange  Code = "fraction-in-range"  // warning
	CodeShareForPercent  Code = "share-for-percent"  // warning
	CodeWrongCase        Code = "wrong-case"         // warning
	CodeContradiction    Code = "contradiction"      // warning
	CodeCallInPredicate  Code = "call-in-predicate"  // warning
)

// Problem is one finding in an expression.
type Problem struct {
	Line     int      `json:"line"`   // 1-based, within the expression
	Column   int      `json:"column"` // 1-based, in characters
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Message  string   `json:"message"`        // what is wrong, one clause
	Hint     string   `json:"hint,omitempty"` // what to write instead
}

// position turns an offset in characters into line and column, both 1-based.
func position(src string, offset int) (line, column int) {
	line, column = 1, 1
	for _, r := range src {
		if offset--; offset < 0 {
			break
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}

func (c *compiler) report(at file.Location, s Severity, code Code, message, hint string) {
	line, column := position(c.src, at.From)
	p := Problem{line, column, s, code, message, hint}
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

func (c *compiler) fail(at file.Location, code Code, message, hint string) *node {
	c.report(at, Error, code, message, hint)
	return bad(at)
}

// bad is the node of an expression whose problem was reported: nothing more is said
// about what it is part of.
func bad(at file.Location) *node { return &node{op: opNil, typ: typ{kind: invalid}, loc: at} }

func (c *compiler) warn(at file.Location, code Code, message, hint string) {
	c.report(at, Warning, code, message, hint)
}

// failed says whether the expression is refused.
func (c *compiler) failed() bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Severity == Error })
}

// sorted are the problems in the order of the source.
func (c *compiler) sorted() []Problem {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return c.problems
}

// start is where the leftmost part of a syntax tree begins: expr-lang places an
// operation at its operator.
func start(n ast.Node) file.Location {
	if n == nil {
		return file.Location{}
	}
	v := &leftmost{at: n.Location()}
	if _, ok := n.(*ast.ConditionalNode); ok {
		return start(n.(*ast.ConditionalNode).Cond)
	}
	ast.Walk(&n, v)
	return v.at
}

type leftmost struct{ at file.Location }

func (v *leftmost) Visit(n *ast.Node) {
	// Conditionals are placed behind themselves, literals without a place at 0.
	if _, ok := (*n).(*ast.ConditionalNode); ok {
		return
	}
	if at := (*n).Location(); at.From < v.at.From {
		v.at = at
	}
}
