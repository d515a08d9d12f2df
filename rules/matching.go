package rules

import (
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
	"callwatch/rules/window"
)

// Matching judges which calls an incident is about: those of its key that meet the
// condition of its rule, or that are evidence for the figure of its window. It is not
// for concurrent use.
type Matching struct {
	rule     *Rule
	key      string
	facts    condition.Facts
	lead     *window.Lead // nil of rules about single calls
	readings []window.Reading
}

// Matching is how the calls of an incident are told. It is nil if its rule is gone, or
// if it is about no calls that could be listed: absence and new values.
func (s *Set) Matching(in *Incident) *Matching {
	r := s.Rule(in.Rule)
	if r == nil || r.Absent > 0 || r.New != nil {
		return nil
	}
	m := &Matching{rule: r, key: in.Key()}
	if r.Window == nil {
		return m
	}
	if m.lead = leadOf(r.Window, in.Values); m.lead == nil {
		return nil
	}
	return m
}

// leadOf is the figure that an incident is described by; the first of the rule where
// the rule has changed since.
func leadOf(w *Window, described *Values) *window.Lead {
	for i := range w.Leads {
		l := &w.Leads[i]
		if described != nil && w.Figures.All[l.Figure].Name == described.Name && DirectionOf(l.Direction) == described.Direction {
			return l
		}
	}
	return w.Lead(0)
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
	if m.lead != nil && m.lead.Arg >= 0 {
		names = append(names, m.rule.Window.Figures.Args[m.lead.Arg].Fields()...)
	}
	if m.rule.Window == nil {
		add(m.rule.When)
		for _, l := range m.rule.Ladder {
			add(l.When)
		}
	}
	for i := range m.rule.KeyFields {
		name := m.rule.KeyFields[i].Name
		if t := m.rule.KeyTables[i]; t != nil {
			name = t.Of.Name
		}
		names = append(names, name)
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
	if m.lead != nil {
		m.readings, _ = m.rule.Window.Read(&m.facts, m.readings[:0]) // what fails is unknown
		return m.lead.Contribution(m.readings).Met
	}
	if m.rule.When != nil {
		return holds(m.rule.When)
	}
	return slices.ContainsFunc(m.rule.Ladder, func(l Level) bool { return holds(l.When) })
}
