package engine

import (
	"slices"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
)

// judge looks at one call with one rule and acts on the outcome.
func (g *Engine) judge(i int, r *rules.Rule, cs *calls.State) {
	switch {
	case r.Absent > 0:
		g.saw(i, r)
		return
	case r.New != nil:
		g.judgeNew(i, r, cs)
		return
	}
	truth, severity, concerned := g.evaluate(i, r)
	if r.For.Duration > 0 && truth != condition.True {
		g.keepHold(i, r, cs)
	}
	if !concerned {
		return
	}
	switch truth {
	case condition.True:
		switch {
		case g.held(i, r, cs, true):
			g.settle(i, r, cs, calls.Matched, severity)
		case r.For.Duration > 0 && cs.Over:
			g.tooShort(i, r, cs)
		}
	case condition.False:
		g.held(i, r, cs, false)
		g.settle(i, r, cs, calls.Good, "")
	default:
		if r.For.Need > 0 { // a sample that did not match for certain
			g.held(i, r, cs, false)
		}
		g.settle(i, r, cs, calls.Unjudged, "")
	}
}

// evaluate runs the rule's expressions on the loaded facts. Nothing that goes
// wrong in them is taken for "false": it is unknown, counted, and shown.
func (g *Engine) evaluate(i int, r *rules.Rule) (truth condition.Truth, severity rules.Severity, concerned bool) {
	defer func() {
		if p := recover(); p != nil {
			g.st.Rules[i].Fail(failure(r, p))
			truth, concerned = condition.Unknown, true
		}
	}()
	if r.Where != nil {
		switch t := g.eval(i, r, r.Where); t {
		case condition.False:
			return t, "", false
		case condition.Unknown:
			return t, "", true
		}
	}
	for _, x := range r.Except {
		if g.eval(i, r, x.When) == condition.True {
			return condition.False, "", false
		}
	}
	truth = g.eval(i, r, r.When)
	if truth == condition.True {
		severity, _ = g.severity(r)
	}
	return truth, severity, true
}

func (g *Engine) eval(i int, r *rules.Rule, p *condition.Program) condition.Truth {
	res := p.Eval(&g.facts)
	if res.Err != nil {
		g.st.Rules[i].Fail(failure(r, res.Err))
	}
	return res.Truth
}

// severity is the highest level that holds, else the rule's default. It names
// the level's program; nil where no level holds.
func (g *Engine) severity(r *rules.Rule) (rules.Severity, *condition.Program) {
	for _, l := range r.Ladder {
		if l.When.Eval(&g.facts).Truth == condition.True {
			return l.Severity, l.When
		}
	}
	return r.Severity, nil
}

// held takes one outcome into the rule's `for` and says whether the condition
// has held long enough. Of "N of M" an outcome that could not be told is one that did
// not hold; a duration it neither adds to nor interrupts.
func (g *Engine) held(i int, r *rules.Rule, cs *calls.State, holds bool) bool {
	switch {
	case r.For.Need > 0:
		if !g.carriesSample(i) {
			return false
		}
		h := cs.HoldOf(i)
		if h.Recent = append(h.Recent, holds); len(h.Recent) > r.For.Of {
			h.Recent = slices.Delete(h.Recent, 0, 1)
		}
		n := 0
		for _, b := range h.Recent {
			if b {
				n++
			}
		}
		return n >= r.For.Need
	case r.For.Duration > 0:
		if cs.Over { // the condition can hold no longer than the call
			return false
		}
		h := cs.HoldOf(i)
		if !holds {
			*h = calls.Hold{Rule: i}
			return false
		}
		if h.Since.IsZero() {
			h.Since = g.st.Now
			g.due.push(deadline{at: h.Since.Add(r.For.Duration), rule: r.Name, call: cs.Key})
		}
		return !g.st.Now.Before(h.Since.Add(r.For.Duration))
	}
	return holds
}

// settle records the outcome for the call and tells the key of it. A call
// counts once: when an unknown becomes known, it moves.
func (g *Engine) settle(i int, r *rules.Rule, cs *calls.State, to calls.Outcome, severity rules.Severity) {
	from, health := cs.Outcomes[i], g.st.Rules[i]
	if from == to || from == calls.Good && to == calls.Unjudged {
		return
	}
	cs.Outcomes[i] = to
	if from == calls.Unjudged {
		health.Counts.Unjudged--
	}
	e := g.seen
	switch to {
	case calls.Unjudged:
		health.Counts.Unjudged++
		if k := g.open(r, e); k != nil {
			g.signal(r, k.Key, lifecycle.Signal{Unknown: true})
		}
	case calls.Good:
		health.Counts.Judged++
		if k := g.open(r, e); k != nil {
			ev := g.evidence(r, e, "")
			g.signal(r, k.Key, lifecycle.Signal{Good: &ev})
		}
	case calls.Matched:
		if from != calls.Good {
			health.Counts.Judged++
		}
		health.Counts.Matched++
		health.MatchAt(g.st.Now)
		ev := g.evidence(r, e, severity)
		if g.opt.Matched != nil {
			g.opt.Matched(r, &ev)
		}
		in := lifecycle.Signal{Match: &ev, Again: from == calls.Good}
		if cs.Holding(i) {
			in.Since = cs.HoldOf(i).Since
		}
		g.signal(r, rules.JoinLabels(r.LabelsOf(e)), in)
	}
}

// open is the key of the call where it has an open incident; nil for none.
func (g *Engine) open(r *rules.Rule, e *call.Event) *lifecycle.KeyState {
	g.scratch = r.AppendKey(g.scratch[:0], e)
	if k := g.st.Keys[ruleKey{r.Name, string(g.scratch)}]; k != nil && k.Incident != nil {
		return k
	}
	return nil
}

// evidence is the call as known now with every condition and the value it met.
func (g *Engine) evidence(r *rules.Rule, e *call.Event, severity rules.Severity) rules.Evidence {
	ev := rules.Evidence{At: g.st.Now, Severity: severity, Call: e.Clone()}
	ev.Call.Raw, ev.Call.Intervals, ev.Call.Turns, ev.Call.Counters = nil, nil, nil, nil
	if r.New != nil {
		ev.Conditions = []rules.Condition{noveltyLeaf(r.New, e)}
		return ev
	}
	ev.Margin = r.When.Margin(&g.facts)
	programs := []*condition.Program{r.When}
	if len(r.Ladder) > 0 && severity != "" {
		if _, level := g.severity(r); level != nil {
			programs = append(programs, level)
		}
	}
	for _, p := range programs {
		for _, leaf := range p.Explain(&g.facts) {
			if !slices.ContainsFunc(ev.Conditions, func(o rules.Condition) bool { return o.Expr == leaf.Expr }) {
				ev.Conditions = append(ev.Conditions, leaf)
			}
		}
	}
	return ev
}
