package engine

import (
	"cmp"
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/numbers"
	"callwatch/rules/window"
)

const (
	maxTop   = 10
	maxTally = 64 // values followed while an incident is open
)

// topFields are where the calls to blame may have something in common.
func topFields() []string {
	return []string{"direction", "region", "codec", "transport", "connectionId", "campaignId", "agentId", "toCountry", "hangupClass", "sipCode"}
}

// tally counts one measured call by the values of its fields.
func (k *KeyState) tally(r *rules.Rule, e *call.Event, met bool) {
	k.Tallied++
	for _, name := range topFields() {
		if slices.Contains(r.By, name) {
			continue
		}
		f, _ := call.Lookup(name)
		value := f.Format(e)
		if value == "" {
			continue
		}
		i := slices.IndexFunc(k.Tally, func(s rules.Share) bool { return s.Field == name && s.Value == value })
		if i < 0 {
			if len(k.Tally) >= maxTally {
				continue
			}
			i = len(k.Tally)
			k.Tally = append(k.Tally, rules.Share{Field: name, Value: value})
		}
		k.Tally[i].Judged++
		if met {
			k.Tally[i].Matched++
		}
	}
}

// top are the values with the most matching calls.
func (k *KeyState) top() []rules.Share {
	top := slices.DeleteFunc(slices.Clone(k.Tally), func(s rules.Share) bool { return s.Matched == 0 })
	slices.SortStableFunc(top, func(a, b rules.Share) int {
		return cmp.Or(b.Matched-a.Matched, cmp.Compare(a.Judged, b.Judged), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value))
	})
	return slices.Clip(top[:min(len(top), maxTop)])
}

// gatherSamples gives an incident about a window that just opened the calls that
// are its evidence: the worst and the latest ones, as far as they are still kept.
func (g *Engine) gatherSamples(r *rules.Rule, k *KeyState) {
	k.Tally, k.Tallied = nil, 0
	if r.Window == nil || k.Window == nil {
		return
	}
	l := r.Window.Lead(k.Lead)
	var samples []rules.Evidence
	for _, key := range k.Window.Candidates(k.Lead) {
		e, p := g.reread(r, l, key)
		if e != nil && p.Met {
			samples = sample(r, samples, blame(r, l, e, &g.sampled, g.st.Now))
		}
	}
	for _, key := range k.Window.Recent {
		if e, p := g.reread(r, l, key); e != nil && p.Measured {
			k.tally(r, e, p.Met)
		}
	}
	k.change(func(i *rules.Incident) { i.Samples, i.Top, i.TopOf = samples, k.top(), k.Tallied })
}

// reread is a call of the window as it is now, and what a lead makes of it; nil
// where it is no longer kept or in the window.
func (g *Engine) reread(r *rules.Rule, l *window.Lead, key call.Key) (*call.Event, window.Contribution) {
	cs := g.call(key)
	if cs == nil || !g.inWindow(r, cs) {
		return nil, window.Contribution{}
	}
	g.sampled.Load(&cs.Call.Event)
	readings, _ := r.Window.Read(&g.sampled, nil)
	return &cs.Call.Event, contribution(l, readings)
}

func (g *Engine) inWindow(r *rules.Rule, cs *calls.State) bool {
	return r.Window.Calls > 0 || cs.Ended.After(g.st.Now.Add(-r.Window.Over))
}

// addToIncident counts a further call of an open incident, or a further leg of a session
// that it counted before.
func (k *KeyState) addToIncident(g *Engine, r *rules.Rule, readings []window.Reading, added *window.Added) {
	l := r.Window.Lead(k.Lead)
	p := contribution(l, readings)
	if p.Measured {
		k.tally(r, g.seen, p.Met)
	}
	k.change(func(i *rules.Incident) {
		if added.Was != nil {
			addContribution(&i.Counts, contribution(l, added.Was), -1)
		}
		addContribution(&i.Counts, contribution(l, added.Is), 1)
		i.Top, i.TopOf = k.top(), k.Tallied
		if p.Met {
			i.Samples = sample(r, i.Samples, blame(r, l, g.seen, &g.facts, g.st.Now))
		}
	})
	*k = k.gatherFrom(g.st.Now)
}

// contribution is what a lead makes of a call; without one, every call counts the same.
func contribution(l *window.Lead, readings []window.Reading) window.Contribution {
	if l == nil {
		return window.Contribution{Measured: true, Judged: true, Met: true}
	}
	return l.Contribution(readings)
}

// blame is one call as evidence for what a lead says of all.
func blame(r *rules.Rule, l *window.Lead, e *call.Event, facts *condition.Facts, at time.Time) rules.Evidence {
	ev := rules.Evidence{At: at, Call: e.Clone()}
	ev.Call.Raw, ev.Call.Intervals, ev.Call.Turns, ev.Call.Counters = nil, nil, nil, nil
	if l == nil || l.Arg < 0 {
		return ev
	}
	if p := l.Holds; p != nil {
		ev.Conditions, ev.Margin = p.Explain(facts), min(p.Margin(facts), math.MaxFloat64)
		return ev
	}
	arg := r.Window.Figures.Args[l.Arg]
	v, known, _ := arg.Number(facts)
	if !known {
		return ev
	}
	c := rules.Condition{Expr: arg.Text, Text: arg.Text + " (" + numbers.Format(v) + ")", Truth: condition.True, Value: &v}
	if l.Limits() {
		limit := " " + l.Limit.Op + " " + numbers.Format(l.Limit.Number)
		c.Expr, c.Text = c.Expr+limit, c.Text+limit
		if !l.Limit.Holds(v) {
			c.Truth = condition.False
		}
	}
	ev.Margin = float64(l.Direction) * v
	ev.Conditions = []rules.Condition{c}
	return ev
}
