package rules

import (
	"cmp"
	"slices"

	"callwatch/call"
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

// gatherSamples gives an incident about a window that just opened the calls that
// are its evidence: the worst and the latest ones, as far as they are still kept.
func (g *Engine) gatherSamples(r *Rule, k *keyState) {
	k.Tally = nil
	if r.Window == nil || k.Window == nil {
		return
	}
	l := r.Window.lead(k.Lead)
	var samples []Evidence
	for _, key := range k.candidates(l) {
		e, p := g.reread(r, l, key)
		if e != nil && p.met {
			samples = r.sample(samples, r.blame(l, e, &g.sampled, g.st.Now))
		}
	}
	for _, key := range k.Window.Recent {
		if e, p := g.reread(r, l, key); e != nil && p.measured {
			k.tally(r, e, p.met)
		}
	}
	k.change(func(i *Incident) { i.Samples, i.Top = samples, k.top() })
}

// candidates are the calls among which those are that a lead shows, each once.
func (k *keyState) candidates(l *lead) []call.Key {
	var keys []call.Key
	add := func(key call.Key) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if l != nil && k.Lead < len(k.Window.Leads) {
		for _, b := range k.Window.Leads[k.Lead].Worst {
			add(b.Key)
		}
		for _, key := range k.Window.Leads[k.Lead].Latest {
			add(key)
		}
	}
	for _, key := range k.Window.Recent {
		add(key)
	}
	return keys
}

// reread is a call of the window as it is now, and what a lead makes of it; nil
// where it is no longer kept or in the window.
func (g *Engine) reread(r *Rule, l *lead, key call.Key) (*call.Event, part) {
	cs := g.call(key)
	if cs == nil || !g.inWindow(r, cs) {
		return nil, part{}
	}
	g.sampled.Load(&cs.Call.Event)
	if l == nil {
		return &cs.Call.Event, part{true, true, true}
	}
	readings, _ := r.Window.read(&g.sampled, nil)
	return &cs.Call.Event, l.part(readings)
}

func (g *Engine) inWindow(r *Rule, cs *callState) bool {
	return r.Window.Calls > 0 || cs.Ended.After(g.st.Now.Add(-r.Window.Over))
}

// addToIncident counts a further call of an open incident.
func (k *keyState) addToIncident(g *Engine, r *Rule, readings []reading) {
	l := r.Window.lead(k.Lead)
	p := part{true, true, true}
	if l != nil {
		p = l.part(readings)
	}
	if p.measured {
		k.tally(r, g.seen, p.met)
	}
	k.change(func(i *Incident) {
		i.Counts.add(p)
		i.Top = k.top()
		if p.met {
			i.Samples = r.sample(i.Samples, r.blame(l, g.seen, &g.facts, g.st.Now))
		}
	})
	*k = k.gatherFrom(g.st.Now)
}
