package ruletest

import (
	"fmt"
	"slices"

	"callwatch/rules"
	"callwatch/rules/condition"
)

// Coverage counts what the cases of each rule have made of its conditions. A
// rule's own cases count, not those of others: nobody looks at what it does there.
type Coverage struct {
	Rules []*RuleCoverage `json:"rules"`
}

// RuleCoverage is how often a rule and its leaf conditions held in its cases.
type RuleCoverage struct {
	Rule       string              `json:"rule"`
	Cases      int                 `json:"cases"`
	When       Tally               `json:"when"`
	Conditions []ConditionCoverage `json:"conditions"` // each leaf once, however often the rule names it
}

// ConditionCoverage is how often one leaf condition held.
type ConditionCoverage struct {
	Part string `json:"part"` // as in Part.Name
	Expr string `json:"expr"`
	Tally
}

// Tally counts outcomes.
type Tally struct {
	True    int `json:"true"`
	False   int `json:"false"`
	Unknown int `json:"unknown"`
}

func (n *Tally) add(t rules.Truth) {
	switch t {
	case rules.True:
		n.True++
	case rules.False:
		n.False++
	default:
		n.Unknown++
	}
}

// gap says what is missing; "" where both outcomes occurred.
func (n *Tally) gap() string {
	switch {
	case n.True == 0 && n.False == 0:
		return "never true, never false"
	case n.True == 0:
		return "never true"
	case n.False == 0:
		return "never false"
	}
	return ""
}

// NewCoverage lists every rule and every leaf condition of a set, none of them
// covered.
func NewCoverage(set *rules.Set) *Coverage {
	c := &Coverage{}
	for _, r := range set.Rules {
		rc := &RuleCoverage{Rule: r.Name, Conditions: []ConditionCoverage{}}
		var nothing condition.Facts
		eachPart(r, func(name string, p *condition.Program) {
			for _, leaf := range p.Explain(&nothing) {
				if rc.condition(leaf.Expr) == nil {
					rc.Conditions = append(rc.Conditions, ConditionCoverage{Part: name, Expr: leaf.Expr})
				}
			}
		})
		c.Rules = append(c.Rules, rc)
	}
	return c
}

// eachPart visits the rule's expressions in the order in which they are judged.
func eachPart(r *rules.Rule, visit func(name string, p *condition.Program)) {
	if r.Where != nil {
		visit("where", r.Where)
	}
	for _, x := range r.Except {
		visit("except "+x.Name, x.When)
	}
	if r.Window != nil {
		for _, a := range r.Window.Figures.Args {
			if p := a.Program(); p != nil {
				visit(rules.PartOfCall, p)
			}
		}
	}
	if r.When != nil {
		visit("when", r.When)
	}
	for _, l := range r.Ladder {
		visit("severity "+string(l.Severity), l.When)
	}
	if r.Window != nil && r.Window.Resolve != nil {
		visit("resolve", r.Window.Resolve)
	}
}

func (c *RuleCoverage) condition(expr string) *ConditionCoverage {
	i := slices.IndexFunc(c.Conditions, func(x ConditionCoverage) bool { return x.Expr == expr })
	if i < 0 {
		return nil
	}
	return &c.Conditions[i]
}

func (c *Coverage) of(r *rules.Rule) *RuleCoverage {
	i := slices.IndexFunc(c.Rules, func(x *RuleCoverage) bool { return x.Rule == r.Name })
	if i < 0 {
		return &RuleCoverage{}
	}
	return c.Rules[i]
}

func (c *Coverage) tested(r *rules.Rule) { c.of(r).Cases++ }

// observe counts what the rule's conditions make of a call. Those that the
// engine does not reach do not count: `when` of a call that `where` leaves out.
func (c *Coverage) observe(r *rules.Rule, facts *condition.Facts) {
	rc := c.of(r)
	if r.Where != nil && rc.count(facts, r.Where) != rules.True {
		return
	}
	for _, x := range r.Except {
		if rc.count(facts, x.When) == rules.True {
			return
		}
	}
	switch {
	case r.PerCall():
		c.judged(r, facts)
	case r.Window != nil:
		for _, a := range r.Window.Figures.Args {
			if p := a.Program(); p != nil {
				rc.count(facts, p)
			}
		}
	}
}

// judged counts what the rule's condition makes of the facts of a call, or of
// the figures of a window.
func (c *Coverage) judged(r *rules.Rule, facts *condition.Facts) {
	programs := []*condition.Program{r.When}
	for _, l := range r.Ladder {
		programs = append(programs, l.When)
	}
	if r.Window != nil && r.Window.Resolve != nil {
		programs = append(programs, r.Window.Resolve)
	}
	rc := c.of(r)
	rc.When.add(rc.count(facts, programs...))
}

// ended counts how a case of a rule without a condition ended.
func (c *Coverage) ended(r *rules.Rule, s rules.CaseState) {
	truth := rules.Unknown
	switch s {
	case rules.CaseFiring, rules.CaseResolved:
		truth = rules.True
	case rules.CaseInactive:
		truth = rules.False
	}
	c.of(r).When.add(truth)
}

// count adds the outcome of each leaf of some programs, once where several have
// it, and tells the outcome of the first program.
func (c *RuleCoverage) count(facts *condition.Facts, programs ...*condition.Program) rules.Truth {
	seen := map[string]bool{}
	for _, p := range programs {
		for _, leaf := range p.Explain(facts) {
			if x := c.condition(leaf.Expr); x != nil && !seen[leaf.Expr] {
				seen[leaf.Expr] = true
				x.add(leaf.Truth)
			}
		}
	}
	return programs[0].Eval(facts).Truth
}

// Gap is a rule or a leaf condition that its cases leave one-sided.
type Gap struct {
	Rule    string `json:"rule"`
	Part    string `json:"part"`           // "" for the rule as a whole
	Expr    string `json:"expr,omitempty"` // of the leaf condition
	Missing string `json:"missing"`        // "never true", "never false", or both
}

// String is the gap in one line.
func (g Gap) String() string {
	if g.Part == "" {
		return fmt.Sprintf("%s: %s", g.Rule, g.Missing)
	}
	return fmt.Sprintf("%s: %s: %s: %s", g.Rule, g.Part, g.Expr, g.Missing)
}

// Gaps are what the cases leave one-sided, in the order of the file.
func (c *Coverage) Gaps() []Gap {
	gaps := []Gap{}
	for _, r := range c.Rules {
		if r.Cases == 0 {
			gaps = append(gaps, Gap{Rule: r.Rule, Missing: "no tests"})
			continue
		}
		if m := r.When.gap(); m != "" {
			gaps = append(gaps, Gap{Rule: r.Rule, Missing: m})
		}
		for _, x := range r.Conditions {
			if m := x.gap(); m != "" {
				gaps = append(gaps, Gap{Rule: r.Rule, Part: x.Part, Expr: x.Expr, Missing: m})
			}
		}
	}
	return gaps
}
