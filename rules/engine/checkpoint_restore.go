package engine

import (
	"slices"

	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/parts"
)

// restoreCalls reads the calls. Outcomes and holds follow their rules to the places
// that those have now.
func (g *Engine) restoreCalls(in *parts.Reader, place []int) error {
	return g.st.Calls.Read(in, func(cs *calls.State) {
		cs.Outcomes = outcomesNow(cs.Outcomes, place, len(g.set.Rules))
		g.restoreHolds(cs, place)
	})
}

func (g *Engine) restoreHolds(cs *calls.State, place []int) {
	var holds []calls.Hold
	for _, h := range cs.Holds {
		if h.Rule < 0 || h.Rule >= len(place) || place[h.Rule] < 0 || g.rests(place[h.Rule]) {
			continue
		}
		h.Rule = place[h.Rule]
		holds = append(holds, h)
		if r := g.set.Rules[h.Rule]; !h.Since.IsZero() {
			g.due.push(deadline{at: h.Since.Add(r.For.Duration), rule: r.Name, call: cs.Key})
		}
	}
	cs.Holds = holds
}

// outcomesNow returns those of a checkpoint, each at its rule's place in a set of so many rules.
func outcomesNow[O byte | calls.Outcome](old []O, place []int, rules int) []O {
	out := make([]O, rules)
	for i := range old {
		if i < len(place) && place[i] >= 0 {
			out[place[i]] = old[i]
		}
	}
	return out
}

// restoreExpiry queues the calls for their expiry again.
func (g *Engine) restoreExpiry() {
	for _, cs := range g.st.Calls.Sorted() {
		g.expiry.Wait(cs)
	}
}

// ruleMoved reports whether a rule is elsewhere in the set than in a checkpoint.
func ruleMoved(place []int, rules int) bool {
	return !slices.IsSorted(place) || len(place) != rules || slices.Contains(place, -1)
}
