package engine

import (
	"slices"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
)

// holding reports whether a `for` of the rule has begun on the call that ends
// when the call does.
func (cs *CallState) holding(rule int) bool {
	return slices.ContainsFunc(cs.Holds, func(h callHold) bool { return h.Rule == rule && !h.Since.IsZero() })
}

// endHolds ends every `for` with a duration: the call is over, and so is what
// held during it.
func (cs *CallState) endHolds() {
	for i := range cs.Holds {
		if !cs.Holds[i].Since.IsZero() {
			cs.Holds[i] = callHold{Rule: cs.Holds[i].Rule}
		}
	}
}

// keepHold ends a `for` with a duration where `where` is no longer true of the
// loaded call or an exception holds: it has to begin again.
func (g *Engine) keepHold(i int, r *rules.Rule, cs *CallState) {
	if !cs.holding(i) {
		return
	}
	if concerned, unknown := g.concerns(i, r); !concerned || unknown {
		*cs.hold(i) = callHold{Rule: i}
	}
}

// heldUntil handles the deadline of a `for` on a call: the rule matches if all
// of its conditions hold still.
func (g *Engine) heldUntil(i int, r *rules.Rule, d deadline) {
	cs := g.call(d.call)
	if cs == nil || cs.Outcomes[i] == OutcomeMatched || !cs.holding(i) || g.st.Now.Before(cs.hold(i).Since.Add(r.For.Duration)) {
		return
	}
	g.seen = &cs.Call.Event
	g.facts.Load(g.seen)
	if truth, severity, concerned := g.evaluate(i, r); concerned && truth == condition.True {
		g.settle(i, r, cs, OutcomeMatched, severity)
	}
}

// everyEvent names the fields that every event has, whatever it reports.
var everyEvent = []string{"id", "provider", "kind", "callId", "occurredAt", "receivedAt", "final"}

// carriedFields lists, of each rule with "N of M", the fields of its condition that
// not every event has.
func carriedFields(set *rules.Set) [][]call.Field {
	carried := make([][]call.Field, len(set.Rules))
	for i, r := range set.Rules {
		if r.For.Need == 0 || r.When == nil {
			continue
		}
		for _, name := range r.When.Fields() {
			if f, ok := call.Lookup(name); ok && !slices.Contains(everyEvent, name) {
				carried[i] = append(carried[i], f)
			}
		}
	}
	return carried
}

// carriesSample reports whether the event is a sample of "N of M": it has at least
// one field of the condition itself. One without would repeat what the events before
// it said. A condition on nothing but fields that every event has counts each event.
func (g *Engine) carriesSample(i int) bool {
	has := func(f call.Field) bool { return f.Known(g.event) }
	return len(g.carried[i]) == 0 || slices.ContainsFunc(g.carried[i], has)
}
