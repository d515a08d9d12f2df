package engine

import (
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/window"
)

// count takes a settled call into the windows of rules that have not counted it.
func (g *Engine) count(rules []int, cs *calls.State) {
	loaded := false
	g.watch.begin()
	defer g.watch.end()
	for _, i := range rules {
		if cs.Outcomes[i] != calls.Unseen || g.st.Rules[i].Disabled {
			continue
		}
		if !loaded {
			g.seen = &cs.Call.Event
			g.facts.Load(g.seen)
			loaded = true
		}
		cs.Outcomes[i] = calls.Counted
		g.countIn(i, g.set.Rules[i], cs)
		g.watch.lap(i)
		if g.opt.Counted != nil {
			g.opt.Counted(i, cs)
		}
	}
}

func (g *Engine) countIn(i int, r *rules.Rule, cs *calls.State) {
	health := g.st.Rules[i]
	switch concerned, unknown := g.concerns(i, r); {
	case unknown:
		health.Counts.Unjudged++
		return
	case !concerned:
		return
	}
	at := Happened(g.seen, cs.Ended)
	if r.Window.Calls == 0 && cs.Ended.Sub(at) > r.Window.Grace {
		health.Late++
		return
	}
	k := g.keyOfCall(i, g.seen)
	if k == nil {
		return
	}
	readings, err := r.Window.Read(&g.facts, g.readings[:0])
	g.readings = readings
	if err != nil {
		health.Fail(failure(r, err))
	}
	spec := &r.Window.Spec
	if k.Seen = g.st.Now; k.Window == nil {
		k.Watched, k.Window = lifecycle.InstantOf(g.st.Now), window.New(spec, g.st.Now)
	}
	added := k.Window.Add(spec, spec.SessionOf(g.seen), at, g.st.Now, readings)
	k.Window.Remember(cs.Key)
	total := k.Window.Blame(spec, cs.Key, added.Place, readings, &g.facts, g.Has)
	lifecycle.AddContribution(&health.Counts, total, 1)
	if total.Met {
		health.MatchAt(g.st.Now)
	}
	if k.Incident != nil {
		k.AddCall(r, g.seen, &g.facts, readings, &added, g.st.Now)
	}
	g.judgeWindow(i, r, k)
}

// concerns says whether `where` and `except` let the loaded call count.
func (g *Engine) concerns(i int, r *rules.Rule) (concerned, unknown bool) {
	defer func() {
		if p := recover(); p != nil {
			g.st.Rules[i].Fail(failure(r, p))
			concerned, unknown = false, true
		}
	}()
	if r.Where != nil {
		switch g.eval(i, r, r.Where) {
		case condition.False:
			return false, false
		case condition.Unknown:
			return false, true
		}
	}
	for _, x := range r.Except {
		if g.eval(i, r, x.When) == condition.True {
			return false, false
		}
	}
	return true, false
}

// countsOf are the calls of a window by what a lead makes of them.
func countsOf(t window.Tally) rules.Counts {
	return rules.Counts{Matched: t.Met, Judged: t.Judged, Unjudged: t.Calls - t.Judged, Partial: t.Partial}
}

// Happened is when a call was over, by the provider's clock, or else when that
// was stored.
func Happened(e *call.Event, stored time.Time) time.Time {
	for _, t := range []time.Time{e.EndedAt, e.OccurredAt} {
		if !t.IsZero() {
			return t
		}
	}
	return stored
}
