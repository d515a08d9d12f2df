package rules

import (
	"slices"
	"strings"

	"callwatch/call"
	"callwatch/rules/condition"
	"callwatch/yamlfile"
)

// Filter is a condition on single events, outside of rules. It is not for
// concurrent use.
type Filter struct {
	program *condition.Program
	facts   condition.Facts
}

// ParseFilter compiles the expression of a filter. It knows no macros and lists:
// it means the same whatever becomes of the rules file. The filter is nil where
// a problem is an error; lines and columns are those of the expression.
func ParseFilter(expr string) (*Filter, Problems) {
	program, problems := compileAlone("filter", expr, condition.Env{})
	if problems.Errors() {
		return nil, problems
	}
	return &Filter{program: program}, problems
}

// compileAlone compiles an expression that is in no file.
func compileAlone(name, src string, env condition.Env) (*condition.Program, Problems) {
	d := &yamlfile.Document{File: name, Lines: strings.Split(src, "\n")}
	program, problems := condition.Compile(src, env)
	for _, p := range problems {
		d.Report(yamlfile.Pos{Line: p.Line, Column: p.Column}, string(p.Severity), string(p.Code), p.Message, p.Hint)
	}
	return program, d.Problems
}

// Holds says whether the condition holds for what an event says. Only True
// passes a filter.
func (f *Filter) Holds(e *call.Event) Truth {
	f.facts.Load(e)
	return f.program.Eval(&f.facts).Truth
}

// Fields are the names of the fields that the filter reads.
func (f *Filter) Fields() []string { return f.program.Fields() }

// Where is the filter as an expression of a database.
func (f *Filter) Where(column func(*call.Field) (string, bool)) condition.Where {
	return f.program.Where(column)
}

// ReadsRaw says whether the filter looks at the providers' own members.
func (f *Filter) ReadsRaw() bool { return slices.Contains(f.program.Fields(), "raw") }

// Try tells what an expression makes of a call that is known so far, as the
// condition of a rule in this set, whose macros and lists it may use. Problems
// are those of the expression; with an error among them nothing was judged.
func (s *Set) Try(expr string, e *call.Event) (Explanation, Problems) {
	program, problems := compileAlone("expression", expr, s.Env)
	if problems.Errors() {
		return Explanation{}, problems
	}
	facts := &condition.Facts{}
	facts.Load(e)
	x := Explanation{Verdict: VerdictUnjudged, Parts: []Part{}}
	switch x.AddPart("when", program, facts) {
	case True:
		x.Verdict = VerdictMatched
	case False:
		x.Verdict = VerdictNotMatched
	default:
		x.Missing = program.Missing(facts)
	}
	return x, problems
}
