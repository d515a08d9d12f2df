package ruletest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"callwatch/rules"
)

// check compares the end of a case with what it expects.
func (t *Trace) check(r *rules.Rule, want *rules.Expect) (failed []Mismatch) {
	in, opened := t.incident(r, want.By)
	expect := func(what, want, got string) {
		if want != "" && want != got {
			failed = append(failed, Mismatch{what, want, cmp.Or(got, "none")})
		}
	}
	expect("state", string(want.State), string(t.state(r, in, want.By)))
	if in == nil {
		in = &rules.Incident{}
	}
	expect("severity", string(want.Severity), string(in.Severity))
	if in.ID == "" && len(want.By) > 0 && want.State != rules.CaseNone {
		failed = append(failed, Mismatch{"by", labelText(want.By), t.keys(r)})
	}
	if want.Matched != nil {
		got := in.Counts.Matched
		if len(want.By) == 0 {
			got = t.counts(r).Matched
		}
		expect("matched", strconv.Itoa(*want.Matched), strconv.Itoa(got))
	}
	if want.Incidents != nil {
		expect("incidents", strconv.Itoa(*want.Incidents), strconv.Itoa(opened))
	}
	for _, text := range want.Held {
		if held := in.Latest.Held(); !slices.Contains(held, text) {
			failed = append(failed, Mismatch{"held", text, cmp.Or(strings.Join(held, "; "), "none")})
		}
	}
	return failed
}

// incident is the rule's latest incident with the labels, nil where there was
// none, and how many were opened.
func (t *Trace) incident(r *rules.Rule, by map[string]string) (in *rules.Incident, opened int) {
	fits := func(i *rules.Incident) bool { return i.Rule == r.Name && hasLabels(i.By, by) }
	for i := range t.Transitions {
		if tr := &t.Transitions[i]; fits(&tr.Incident) {
			in = &tr.Incident
			if tr.Step == rules.StepOpened {
				opened++
			}
		}
	}
	for _, open := range t.engine.Incidents() { // as it is now, also where that was not told yet
		if fits(&open) {
			in = &open
		}
	}
	return in, opened
}

// keys are the labels of the rule's incidents, as text.
func (t *Trace) keys(r *rules.Rule) string {
	var out []string
	for i := range t.Transitions {
		if in := &t.Transitions[i].Incident; in.Rule == r.Name && t.Transitions[i].Step == rules.StepOpened {
			by := map[string]string{}
			for _, l := range in.By {
				by[l.Name] = l.Value
			}
			out = append(out, labelText(by))
		}
	}
	return cmp.Or(strings.Join(out, "; "), "no incident")
}

func labelText(by map[string]string) string {
	var parts []string
	for name, value := range by {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func (t *Trace) counts(r *rules.Rule) rules.Counts { return t.engine.Counts(t.index[r.Name]) }

func (t *Trace) state(r *rules.Rule, in *rules.Incident, by map[string]string) rules.CaseState {
	counts := t.counts(r)
	switch {
	case in != nil && in.State == rules.Firing:
		return rules.CaseFiring
	case in != nil:
		return rules.CaseResolved
	case r.Window != nil || r.Absent > 0:
		return t.keyState(r, by)
	case t.engine.Waiting(t.index[r.Name]):
		return rules.CasePending
	case counts.Judged > 0:
		return rules.CaseInactive
	case counts.Unjudged > 0:
		return rules.CaseUnjudged
	default:
		return rules.CaseNone
	}
}
