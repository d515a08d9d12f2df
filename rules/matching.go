package rules

import (
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// Matching judges which calls an incident is about: those of its key that meet the
// condition of its rule, or what the condition of a window counts. It is not for
// concurrent use.
type Matching struct {
	rule    *Rule
	key     string
	facts   condition.Facts
	counted []*condition.Argument
}

// Matching is how the calls of an incident of a rule are told. It is nil if there is
// no such rule, or if it is about no calls that could be listed: absence and new
// values.
func (s *Set) Matching(rule string, by []Label) *Matching {
	r := s.Rule(rule)
	if r == nil || r.Absent > 0 || r.New != nil {
		return nil
	}
	m := &Matching{rule: r, key: (&Incident{By: by}).Key()}
	if r.Window == nil {
		return m
	}
	for _, f := range r.Window.Figures.All {
		if (f.Func == "rate" || f.Func == "count") && f.Arg >= 0 && !f.Prev {
			m.counted = append(m.counted, r.Window.Figures.Args[f.Arg])
		}
	}
	if len(m.counted) == 0 {
		return nil
	}
	return m
}

// Before is how long before its incident opened a call may have ended that counts.
func (m *Matching) Before() time.Duration {
	if w := m.rule.Window; w != nil {
		return w.Over + w.Settle
	}
	return 0
}

// Fields are the names of the fields that Holds reads.
func (m *Matching) Fields() []string {
	names := []string{"endedAt"}
	add := func(p *condition.Program) {
		if p != nil {
			names = append(names, p.Fields()...)
		}
	}
	add(m.rule.Where)
	for _, x := range m.rule.Except {
		add(x.When)
	}
	for _, a := range m.counted {
		names = append(names, a.Fields()...)
	}
	if m.rule.Window == nil {
		add(m.rule.When)
		for _, l := range m.rule.Ladder {
			add(l.When)
		}
	}
	for i := range m.rule.KeyFields {
		names = append(names, m.rule.KeyFields[i].Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Holds reports whether a call is of the incident's key and certainly matches.
func (m *Matching) Holds(e *call.Event) bool {
	if string(m.rule.AppendKey(nil, e)) != m.key {
		return false
	}
	m.facts.Load(e)
	holds := func(p *condition.Program) bool { return p != nil && p.Eval(&m.facts).Truth == condition.True }
	if m.rule.Where != nil && !holds(m.rule.Where) {
		return false
	}
	for _, x := range m.rule.Except {
		if holds(x.When) {
			return false
		}
	}
	for _, a := range m.counted {
		if class, _ := a.Classify(&m.facts); class == condition.Matching {
			return true
		}
	}
	if m.rule.Window != nil {
		return false
	}
	if m.rule.When != nil {
		return holds(m.rule.When)
	}
	return slices.ContainsFunc(m.rule.Ladder, func(l Level) bool { return holds(l.When) })
}
