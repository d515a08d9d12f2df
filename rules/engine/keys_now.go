package engine

import (
	"cmp"
	"math"
	"slices"

	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/lifecycle"
)

// maxKeysNow bounds the windows that KeyHealths looks at: nothing is judged meanwhile.
const maxKeysNow = 500

// KeyHealths returns what the windows of a rule say now, those with an incident first,
// then those that are nearest to one. Of a rule with more than 500 keys it looks at
// those with an incident and those that were seen last.
func (g *Engine) KeyHealths(rule string) []rules.KeyHealth {
	i, ok := g.indexed[rule]
	if !ok || g.set.Rules[i].Window == nil {
		return nil
	}
	r := g.set.Rules[i]
	var keys []*lifecycle.KeyState
	for k := range g.KeyStates(rule) {
		if k.Window != nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b *lifecycle.KeyState) int {
		return cmp.Or(first(a.Incident != nil, b.Incident != nil), b.Seen.Compare(a.Seen), cmp.Compare(a.Key, b.Key))
	})
	out := make([]rules.KeyHealth, 0, min(len(keys), maxKeysNow))
	for _, k := range keys[:min(len(keys), maxKeysNow)] {
		j := g.readWindow(i, k)
		h := rules.KeyHealth{By: r.KeyLabels(k.Key), Values: lifecycle.ValuesOf(r, &j), Holds: j.Truth == condition.True, Unknown: j.Truth == condition.Unknown && !j.Open}
		if h.Values != nil {
			h.Trend = k.Trend(j.Lead)
		}
		if few, short := g.short(r.Window); short {
			h.TooFew = &few.Measured
		}
		if l := r.Window.Leads; h.Values != nil && l[j.Lead].Limited {
			h.Limit = &l[j.Lead].Limit.Number
		}
		if k.Incident != nil {
			h.Incident = k.Incident.ID
		}
		out = append(out, h)
	}
	slices.SortStableFunc(out, func(a, b rules.KeyHealth) int {
		return cmp.Or(first(a.Incident != "", b.Incident != ""), first(a.Holds, b.Holds), -cmp.Compare(nearness(&a), nearness(&b)))
	})
	return out
}

// nearness orders figures by how near they are to firing.
func nearness(h *rules.KeyHealth) float64 {
	switch {
	case h.Values == nil:
		return math.Inf(-1)
	case h.Values.Direction == rules.DirectionDown:
		return -h.Values.Latest
	}
	return h.Values.Latest
}

// first compares two values of which the true one comes first.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
