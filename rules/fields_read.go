package rules

import (
	"slices"

	"callwatch/rules/condition"
)

// FieldsRead are the fields of calls that the rule's conditions name.
func (r *Rule) FieldsRead() []string {
	var names []string
	programs := []*condition.Program{r.Where, r.When}
	for _, x := range r.Except {
		programs = append(programs, x.When)
	}
	for _, l := range r.Ladder {
		programs = append(programs, l.When)
	}
	for _, p := range programs {
		if p != nil {
			names = append(names, p.Fields()...)
		}
	}
	if r.Window != nil {
		for _, a := range r.Window.Figures.Args {
			names = append(names, a.Fields()...)
		}
		if r.Window.Sessions {
			names = append(names, SessionField)
		}
	}
	if r.New != nil {
		names = append(names, r.New.Field.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReadsRaw reports whether a rule looks at the providers' own members of an event.
func (s *Set) ReadsRaw() bool {
	return slices.ContainsFunc(s.Rules, func(r *Rule) bool { return slices.Contains(r.FieldsRead(), "raw") })
}
