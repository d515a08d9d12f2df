package rules

import (
	"cmp"
	"math"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

const (
	maxTop   = 10
	maxTally = 64 // values followed while an incident is open
)

// topFields are where the calls to blame may have something in common.
func topFields() []string {
	return []string{"direction", "region", "codec", "transport", "connectionId", "campaignId", "agentId", "toCountry", "hangupClass", "sipCode"}
}

// tally counts one call by the values of its fields.
func (k *keyState) tally(r *Rule, e *call.Event, met bool) {
	for _, name := range topFields() {
		if slices.Contains(r.By, name) {
			continue
		}
		f, _ := call.Lookup(name)
		value := textOf(f.Value(e))
		if value == "" {
			continue
		}
		i := slices.IndexFunc(k.Tally, func(s Share) bool { return s.Field == name && s.Value == value })
		if i < 0 {
			if len(k.Tally) >= maxTally {
				continue
			}
			i = len(k.Tally)
			k.Tally = append(k.Tally, Share{Field: name, Value: value})
		}
		k.Tally[i].Judged++
		if met {
			k.Tally[i].Matched++
		}
	}
}

// top are the values with the most matching calls.
func (k *keyState) top() []Share {
	top := slices.DeleteFunc(slices.Clone(k.Tally), func(s Share) bool { return s.Matched == 0 })
	slices.SortStableFunc(top, func(a, b Share) int {
		return cmp.Or(b.Matched-a.Matched, cmp.Compare(a.Judged, b.Judged), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value))
	})
	return slices.Clip(top[:min(len(top), maxTop)])
}

// gatherSamples gives an incident about a window that just opened the calls it
// is about: of the latest ones, as far as they are still kept.
func (g *Engine) gatherSamples(r *Rule, k *keyState) {
	k.Tally = nil
	if r.Window == nil || k.Window == nil {
		return
	}
	var samples []Evidence
	blamed := k.Window.Bad
	if !r.Window.lead.tells() {
		blamed = k.Window.Recent
	}
	for _, key := range blamed {
		if cs := g.call(key); cs != nil && g.inWindow(r, cs) {
			g.sampled.Load(&cs.Call.Event)
			samples = r.sample(samples, r.blame(&cs.Call.Event, &g.sampled, g.st.Now))
		}
	}
	for _, key := range k.Window.Recent {
		cs := g.call(key)
		if cs == nil || !g.inWindow(r, cs) {
			continue
		}
		g.sampled.Load(&cs.Call.Event)
		readings, _ := r.Window.read(&g.sampled, nil)
		if known, met := r.Window.blames(readings); known {
			k.tally(r, &cs.Call.Event, met)
		}
	}
	k.change(func(i *Incident) { i.Samples, i.Top = samples, k.top() })
}

func (g *Engine) inWindow(r *Rule, cs *callState) bool {
	return r.Window.Calls > 0 || cs.Ended.After(g.st.Now.Add(-r.Window.Over))
}

// addToIncident counts a further call of an open incident.
func (k *keyState) addToIncident(g *Engine, r *Rule, known, met bool) {
	if known {
		k.tally(r, g.seen, met)
	}
	k.change(func(i *Incident) {
		i.Counts.add(known, met)
		i.Top = k.top()
		if met {
			i.Samples = r.sample(i.Samples, r.blame(g.seen, &g.facts, g.st.Now))
		}
	})
	*k = k.gatherFrom(g.st.Now)
}

// blame is one call as evidence for what the leading figure says of all.
func (r *Rule) blame(e *call.Event, facts *condition.Facts, at time.Time) Evidence {
	ev := Evidence{At: at, Call: e.Clone()}
	ev.Call.Raw, ev.Call.Intervals, ev.Call.Counters = nil, nil, nil
	w := r.Window
	if w.lead.arg < 0 {
		return ev
	}
	arg := w.Figures.Args[w.lead.arg]
	if p := arg.Program(); p != nil {
		ev.Conditions, ev.Margin = p.Explain(facts), p.Margin(facts)
		return ev
	}
	v, known, _ := arg.Number(facts)
	if !known {
		return ev
	}
	c := Condition{Expr: arg.Text, Text: arg.Text + " (" + shortNumber(v) + ")", Truth: condition.True, Value: &v}
	ev.Margin = v
	if w.lead.limit.Below() {
		ev.Margin = -v
	}
	if w.lead.bound {
		limit := " " + w.lead.limit.Op + " " + shortNumber(w.lead.limit.Number)
		c.Expr, c.Text = c.Expr+limit, c.Text+limit
		ev.Margin = math.Abs(v-w.lead.limit.Number) / max(math.Abs(w.lead.limit.Number), 1e-9)
	}
	ev.Conditions = []Condition{c}
	return ev
}
