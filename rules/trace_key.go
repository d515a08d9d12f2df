package rules

import (
	"fmt"
	"math"

	"callwatch/call"
	"callwatch/rules/condition"
)

// novelty is the verdict of a rule about new values.
func (t *Trace) novelty(i int, r *Rule, cs *callState, x *Explanation) {
	if x.Verdict == VerdictNotConcerned {
		return
	}
	switch cs.Outcomes[i] {
	case matched:
		x.Verdict, x.Severity = VerdictMatched, r.Severity
	case good:
		x.Verdict = VerdictNotMatched
	default:
		x.Verdict, x.Missing = VerdictUnjudged, []string{r.New.Field.Name}
	}
}

// ofKey adds what the call's key says now, for rules over windows and about
// absence.
func (t *Trace) ofKey(i int, r *Rule, cs *callState, x *Explanation) {
	if r.Window == nil && r.Absent == 0 || x.Verdict == VerdictNotConcerned || len(x.Missing) > 0 {
		return
	}
	x.At = t.engine.st.Now
	k := t.engine.st.Keys[ruleKey{r.Name, JoinLabels(x.By)}]
	switch {
	case r.Mode == Off:
		x.hold("mode", "the rule is off")
	case r.Absent > 0 && k != nil:
		t.absence(r, k, x)
	case r.Window != nil && (k == nil || k.Window == nil || cs != nil && cs.Outcomes[i] != counted):
		x.hold("settle", "not counted yet: the call is not over, or may be reported on for "+shortDuration(r.Window.Settle))
	case r.Window != nil:
		t.window(i, r, k, x)
	}
}

func (t *Trace) absence(r *Rule, k *keyState, x *Explanation) {
	x.Verdict = VerdictNotMatched
	if k.Incident != nil {
		x.Verdict, x.Severity = VerdictMatched, k.Incident.Severity
		t.announced(r, k, x)
		return
	}
	x.hold("absent", fmt.Sprintf("the latest call came %s ago, alerts after %s", shortDuration(t.engine.st.Now.Sub(k.Seen)), shortDuration(r.Absent)))
}

// counted explains what a window makes of a call when it is judged, with the
// figures of that time: later ones are about other calls.
func (t *Trace) counted(i int, cs *callState) {
	key, r := cs.Call.Key(), t.engine.set.Rules[i]
	if t.only != "" && r.Name != t.only || t.focused && !t.focus[key] {
		return
	}
	tr := t.traced(key)
	if tr.latest == nil {
		tr.latest = new(cs.Call.Clone())
	}
	t.facts.Load(&cs.Call.Event)
	if t.coverage != nil {
		t.coverage.observe(r, &t.facts)
	}
	x := r.explain(&t.facts, call.Ended)
	x.At, x.By = t.engine.st.Now, r.LabelsOf(&cs.Call.Event)
	at := happened(&cs.Call.Event, cs.Ended)
	if late := cs.Ended.Sub(at); x.Verdict != VerdictNotConcerned && len(x.Missing) == 0 && r.Window.Calls == 0 && late > r.Window.Grace {
		x.hold("grace", fmt.Sprintf("its end was stored %s after the call was over: counted as late, in no window", shortDuration(late)))
	} else {
		t.ofKey(i, r, cs, &x)
	}
	tr.rules[i], tr.done[i] = x, true
	rk := ruleKey{r.Name, JoinLabels(x.By)}
	if k := t.engine.st.Keys[rk]; k != nil && k.Incident == nil && !k.PendingTill.IsZero() && x.Verdict == VerdictMatched {
		t.waiting[rk] = append(t.waiting[rk], key)
	}
}

// settlePending explains again the calls whose window held when they were judged,
// once its `for` is over: with the incident and the figures of then.
func (t *Trace) settlePending() {
	for rk, calls := range t.waiting {
		k := t.engine.st.Keys[rk]
		if k != nil && k.Incident == nil && !k.PendingTill.IsZero() {
			continue
		}
		delete(t.waiting, rk)
		if k == nil || k.Incident == nil || k.Window == nil {
			continue
		}
		i := t.engine.indexed[rk.Rule]
		r := t.engine.set.Rules[i]
		for _, key := range calls {
			tr, cs := t.calls[key], t.engine.call(key)
			if cs == nil {
				continue
			}
			t.facts.Load(&cs.Call.Event)
			x := r.explain(&t.facts, call.Ended)
			x.By = tr.rules[i].By
			t.ofKey(i, r, cs, &x)
			tr.rules[i] = x
		}
	}
}

// window adds the figures of a window and what they lead to.
func (t *Trace) window(i int, r *Rule, k *keyState, x *Explanation) {
	j := t.engine.judgement(i, r, k)
	figures := &t.engine.windows
	when := x.part("when", r.When, figures)
	x.levels(r, figures, when)
	if r.Window.Resolve != nil && k.Incident != nil {
		x.part("resolve", r.Window.Resolve, figures)
	}
	switch {
	case j.truth == True:
		x.Verdict = VerdictMatched
		t.announced(r, k, x)
		if wait := k.PendingTill.Sub(t.engine.st.Now); k.Incident == nil && wait > 0 {
			x.hold("for", fmt.Sprintf("must hold for %s, %s more", shortDuration(r.For.Duration), shortDuration(wait)))
		}
	case j.truth == False:
		x.Verdict = VerdictNotMatched
	default:
		x.Verdict = VerdictUnjudged
		switch short, ok := t.engine.short(r.Window); {
		case ok:
			x.hold("min_calls", fmt.Sprintf("%s: %d of %d calls measured; needs %d", short.Name, short.Measured, short.Calls, r.Window.MinCalls))
		case j.open:
			x.hold("partial", "not certain: calls of which only a part is known may be either")
		}
	}
	if x.Verdict != VerdictMatched {
		x.Severity = ""
	}
}

// observeWindows counts what the figures of each window make of the rule.
func (t *Trace) observeWindows() {
	if t.coverage == nil {
		return
	}
	for key, k := range t.engine.st.Keys {
		if key.Rule != t.only || k.Window == nil {
			continue
		}
		i := t.engine.indexed[key.Rule]
		r := t.engine.set.Rules[i]
		if j := t.engine.judgement(i, r, k); j.truth != Unknown && !math.IsNaN(j.value) {
			t.coverage.judged(r, &t.engine.windows)
		}
	}
}

// keyState is where the keys of a rule over windows or about absence stand that
// have no incident.
func (t *Trace) keyState(r *Rule, by map[string]string) CaseState {
	state := CaseNone
	if t.counts(r).Unjudged > 0 && t.counts(r).Judged == 0 {
		state = CaseUnjudged
	}
	for key, k := range t.engine.st.Keys {
		if key.Rule != r.Name || !hasLabels(r.labelsOf(key.Key), by) {
			continue
		}
		switch {
		case !k.PendingTill.IsZero():
			return CasePending
		case r.Absent > 0 && !k.Seen.IsZero():
			state = CaseInactive
		case k.Window == nil || state == CaseInactive:
		case t.engine.judgement(t.engine.indexed[r.Name], r, k).truth == condition.Unknown:
			state = CaseUnjudged
		default:
			state = CaseInactive
		}
	}
	return state
}

// hasLabels says whether labels have all the values that are asked for.
func hasLabels(labels []Label, by map[string]string) bool {
	n := 0
	for _, l := range labels {
		if v, ok := by[l.Name]; ok && v == l.Value {
			n++
		}
	}
	return n == len(by)
}
