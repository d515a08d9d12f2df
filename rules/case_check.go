package rules

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// check compares the end of a case with what it expects.
func (t *Trace) check(r *Rule, want *Expect) (failed []Mismatch) {
	in, opened := t.incident(r, want.By)
	expect := func(what, want, got string) {
		if want != "" && want != got {
			failed = append(failed, Mismatch{what, want, cmp.Or(got, "none")})
		}
	}
	expect("state", string(want.State), string(t.state(r, in, want.By)))
	if in == nil {
		in = &Incident{}
	}
	expect("severity", string(want.Severity), string(in.Severity))
	if in.ID == "" && len(want.By) > 0 && want.State != CaseNone {
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
func (t *Trace) incident(r *Rule, by map[string]string) (in *Incident, opened int) {
	fits := func(i *Incident) bool { return i.Rule == r.Name && hasLabels(i.By, by) }
	for i := range t.Transitions {
		if tr := &t.Transitions[i]; fits(&tr.Incident) {
			in = &tr.Incident
			if tr.Step == StepOpened {
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
func (t *Trace) keys(r *Rule) string {
	var out []string
	for i := range t.Transitions {
		if in := &t.Transitions[i].Incident; in.Rule == r.Name && t.Transitions[i].Step == StepOpened {
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

func (t *Trace) counts(r *Rule) Counts { return t.engine.st.Rules[t.engine.indexed[r.Name]].Counts }

func (t *Trace) state(r *Rule, in *Incident, by map[string]string) CaseState {
	counts := t.counts(r)
	switch {
	case in != nil && in.State == Firing:
		return CaseFiring
	case in != nil:
		return CaseResolved
	case r.Window != nil || r.Absent > 0:
		return t.keyState(r, by)
	case t.pending(r):
		return CasePending
	case counts.Judged > 0:
		return CaseInactive
	case counts.Unjudged > 0:
		return CaseUnjudged
	default:
		return CaseNone
	}
}

// pending says whether the rule's condition holds for some call, not yet for
// long enough.
func (t *Trace) pending(r *Rule) bool {
	i := t.engine.indexed[r.Name]
	for _, cs := range t.engine.st.Calls.calls {
		for _, h := range cs.Holds {
			if h.Rule == i && cs.Outcomes[i] != matched && (!h.Since.IsZero() || slices.Contains(h.Recent, true)) {
				return true
			}
		}
	}
	return false
}
