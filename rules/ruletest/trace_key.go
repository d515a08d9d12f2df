package ruletest

import (
	"fmt"
	"math"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/numbers"
)

// novelty is the verdict of a rule about new values.
func (t *Trace) novelty(i int, r *rules.Rule, cs *calls.State, x *rules.Explanation) {
	if x.Verdict == rules.VerdictNotConcerned {
		return
	}
	switch cs.Outcomes[i] {
	case calls.Matched:
		x.Verdict, x.Severity = rules.VerdictMatched, r.Severity
	case calls.Good:
		x.Verdict = rules.VerdictNotMatched
	default:
		x.Verdict, x.Missing = rules.VerdictUnjudged, []string{r.New.Field.Name}
	}
}

// ofKey adds what the call's key says now, for rules over windows and about
// absence.
func (t *Trace) ofKey(i int, r *rules.Rule, cs *calls.State, x *rules.Explanation) {
	if r.Window == nil && r.Absent == 0 || x.Verdict == rules.VerdictNotConcerned || len(x.Missing) > 0 {
		return
	}
	x.At = t.engine.Now()
	k := t.engine.KeyState(r.Name, rules.JoinLabels(x.By))
	switch {
	case r.Mode == rules.Off:
		x.HoldBack("mode", "the rule is off")
	case r.Absent > 0 && k != nil:
		t.absence(r, k, x)
	case r.Window != nil && (k == nil || k.Window == nil || cs != nil && cs.Outcomes[i] != calls.Counted):
		x.HoldBack("settle", "not counted yet: the call is not over, or may be reported on for "+numbers.FormatDuration(r.Window.Settle))
	case r.Window != nil:
		t.window(i, r, k, x)
	}
}

func (t *Trace) absence(r *rules.Rule, k *lifecycle.KeyState, x *rules.Explanation) {
	x.Verdict = rules.VerdictNotMatched
	if k.Incident != nil {
		x.Verdict, x.Severity = rules.VerdictMatched, k.Incident.Severity
		t.announced(r, k, x)
		return
	}
	x.HoldBack("absent", fmt.Sprintf("the latest call came %s ago, alerts after %s", numbers.FormatDuration(t.engine.Now().Sub(k.Seen)), numbers.FormatDuration(r.Absent)))
}

// counted explains what a window makes of a call when it is judged, with the
// figures of that time: later ones are about other calls.
func (t *Trace) counted(i int, cs *calls.State) {
	key, r := cs.Call.Key(), t.set.Rules[i]
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
	x := r.Explain(&t.facts, call.Ended)
	x.At, x.By = t.engine.Now(), r.LabelsOf(&cs.Call.Event)
	at := engine.Happened(&cs.Call.Event, cs.Ended)
	if late := cs.Ended.Sub(at); x.Verdict != rules.VerdictNotConcerned && len(x.Missing) == 0 && r.Window.Calls == 0 && late > r.Window.Grace {
		x.HoldBack("grace", fmt.Sprintf("its end was stored %s after the call was over: counted as late, in no window", numbers.FormatDuration(late)))
	} else {
		t.ofKey(i, r, cs, &x)
	}
	tr.rules[i], tr.done[i] = x, true
	rk := keyOf{r.Name, rules.JoinLabels(x.By)}
	if k := t.engine.KeyState(rk.rule, rk.key); k != nil && k.Incident == nil && !k.PendingTill.IsZero() && x.Verdict == rules.VerdictMatched {
		t.waiting[rk] = append(t.waiting[rk], key)
	}
}

// settlePending explains again the calls whose window held when they were judged,
// once its `for` is over: with the incident and the figures of then.
func (t *Trace) settlePending() {
	for rk, keys := range t.waiting {
		k := t.engine.KeyState(rk.rule, rk.key)
		if k != nil && k.Incident == nil && !k.PendingTill.IsZero() {
			continue
		}
		delete(t.waiting, rk)
		if k == nil || k.Incident == nil || k.Window == nil {
			continue
		}
		i := t.index[rk.rule]
		r := t.set.Rules[i]
		for _, key := range keys {
			tr, cs := t.calls[key], t.engine.CallState(key)
			if cs == nil {
				continue
			}
			t.facts.Load(&cs.Call.Event)
			x := r.Explain(&t.facts, call.Ended)
			x.By = tr.rules[i].By
			t.ofKey(i, r, cs, &x)
			tr.rules[i] = x
		}
	}
}

// window adds the figures of a window and what they lead to.
func (t *Trace) window(i int, r *rules.Rule, k *lifecycle.KeyState, x *rules.Explanation) {
	v := t.engine.JudgeWindow(i, k)
	figures := v.Figures
	when := x.AddPart("when", r.When, figures)
	x.AddLevels(r, figures, when)
	if r.Window.Resolve != nil && k.Incident != nil {
		x.AddPart("resolve", r.Window.Resolve, figures)
	}
	switch {
	case v.Truth == rules.True:
		x.Verdict = rules.VerdictMatched
		t.announced(r, k, x)
		if wait := k.PendingTill.Sub(t.engine.Now()); k.Incident == nil && wait > 0 {
			x.HoldBack("for", fmt.Sprintf("must hold for %s, %s more", numbers.FormatDuration(r.For.Duration), numbers.FormatDuration(wait)))
		}
	case v.Truth == rules.False:
		x.Verdict = rules.VerdictNotMatched
	default:
		x.Verdict = rules.VerdictUnjudged
		ratio, short := r.When.Short(figures)
		switch few := v.Few; {
		case few != nil:
			x.HoldBack("min_calls", fmt.Sprintf("%s: %s; needs %d", few.Name, few.Base(), r.Window.MinCalls))
		case v.Begun:
			x.HoldBack("window", fmt.Sprintf("not watched for a whole %s yet: further calls could make it false", r.Window))
		case short:
			x.HoldBack("ratio", fmt.Sprintf("%s is %s; its ratio needs %s", ratio.Below, ratio.Value, numbers.Format(ratio.Needs)))
		case v.Partial:
			x.HoldBack("partial", "not certain: calls of which only a part is known may be either")
		}
	}
	if x.Verdict != rules.VerdictMatched {
		x.Severity = ""
	}
}

// observeWindows counts what the figures of each window make of the rule.
func (t *Trace) observeWindows() {
	if t.coverage == nil {
		return
	}
	i, known := t.index[t.only]
	if !known {
		return
	}
	for k := range t.engine.KeyStates(t.only) {
		if k.Window == nil {
			continue
		}
		if v := t.engine.JudgeWindow(i, k); v.Truth != rules.Unknown && !math.IsNaN(v.Value) {
			t.coverage.judged(t.set.Rules[i], v.Figures)
		}
	}
}

// keyState is the state of the keys of a rule over windows or about absence that
// have no incident.
func (t *Trace) keyState(r *rules.Rule, by map[string]string) rules.CaseState {
	state := rules.CaseNone
	if t.counts(r).Unjudged > 0 && t.counts(r).Judged == 0 {
		state = rules.CaseUnjudged
	}
	for k := range t.engine.KeyStates(r.Name) {
		if !hasLabels(r.KeyLabels(k.Key), by) {
			continue
		}
		switch {
		case !k.PendingTill.IsZero():
			return rules.CasePending
		case r.Absent > 0 && !k.Seen.IsZero():
			state = rules.CaseInactive
		case k.Window == nil || state == rules.CaseInactive:
		case t.engine.JudgeWindow(t.index[r.Name], k).Truth == condition.Unknown:
			state = rules.CaseUnjudged
		default:
			state = rules.CaseInactive
		}
	}
	return state
}

// hasLabels says whether labels have all the values that are asked for.
func hasLabels(labels []rules.Label, by map[string]string) bool {
	n := 0
	for _, l := range labels {
		if v, ok := by[l.Name]; ok && v == l.Value {
			n++
		}
	}
	return n == len(by)
}
