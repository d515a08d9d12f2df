package engine

import (
	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/window"
)

// gatherSamples gives an incident about a window that just opened the calls that
// are its evidence: the worst and the latest ones, as far as they are still kept.
func (g *Engine) gatherSamples(r *rules.Rule, k *lifecycle.KeyState) {
	k.Tally, k.Tallied = nil, 0
	if r.Window == nil || k.Window == nil {
		return
	}
	if g.measured.Calls() == 0 { // no call opened it
		k.Change(func(i *rules.Incident) { i.Samples, i.Top, i.TopOf = nil, nil, 0 })
		return
	}
	l := r.Window.Lead(k.Lead)
	var samples []rules.Evidence
	for _, key := range k.Window.Candidates(k.Lead) {
		e, p := g.reread(r, k, l, key)
		if e != nil && p.Met {
			samples = lifecycle.Sample(r, samples, lifecycle.Blame(r, l, e, &g.sampled, g.st.Now))
		}
	}
	for _, key := range k.Window.Recent {
		if e, p := g.reread(r, k, l, key); e != nil && p.Measured {
			k.Count(r, e, p.Met)
		}
	}
	k.Change(func(i *rules.Incident) { i.Samples, i.Top, i.TopOf = samples, k.Top(), k.Tallied })
}

// reread is a call of the window as it is now, and what a lead makes of it; nil
// where it is no longer kept or in the window.
func (g *Engine) reread(r *rules.Rule, k *lifecycle.KeyState, l *window.Lead, key call.Key) (*call.Event, window.Contribution) {
	cs := g.call(key)
	if cs == nil || !inWindow(r.Window, k.Window, cs) {
		return nil, window.Contribution{}
	}
	g.sampled.Load(&cs.Call.Event)
	readings, _ := r.Window.Read(&g.sampled, nil)
	return &cs.Call.Event, lifecycle.Contribution(l, readings)
}

// inWindow reports whether a call is in the window, by the time at which it counted: that
// of its end or, of one that was stored when its window had left that behind, about then.
func inWindow(w *rules.Window, s *window.State, cs *calls.State) bool {
	at := Happened(&cs.Call.Event, cs.Ended)
	if cs.Ended.Before(at) || cs.Ended.Sub(at) >= w.Over {
		at = cs.Ended
	}
	return s.Reaches(&w.Spec, at)
}
