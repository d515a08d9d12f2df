package engine

import (
	"slices"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
)

// keepHold ends a `for` with a duration where `where` is no longer true of the
// loaded call or an exception holds: it has to begin again.
func (g *Engine) keepHold(i int, r *rules.Rule, cs *calls.State) {
	if !cs.Holding(i) {
		return
	}
	if concerned, unknown := g.concerns(i, r); !concerned || unknown {
		*cs.HoldOf(i) = calls.Hold{Rule: i}
	}
}

// settleShort counts a call that has just ended for the rules whose condition held then,
// and not for long enough.
func (g *Engine) settleShort(ended []int, cs *calls.State) {
	for _, i := range ended {
		if g.rests(i) {
			continue
		}
		g.seen = &cs.Call.Event
		g.facts.Load(g.seen)
		if concerned, unknown := g.concerns(i, g.set.Rules[i]); concerned && !unknown {
			g.tooShort(i, g.set.Rules[i], cs)
		}
	}
}

// tooShort counts the loaded call as judged: its condition held, and it was over before
// that was for long enough. It did not match, and is no evidence that all is well.
func (g *Engine) tooShort(i int, r *rules.Rule, cs *calls.State) {
	health := g.st.Rules[i]
	switch cs.Outcomes[i] {
	case calls.Unseen:
	case calls.Unjudged:
		health.Counts.Unjudged--
	default:
		return
	}
	cs.Outcomes[i] = calls.Good
	health.Counts.Judged++
	if k := g.open(r, g.seen); k != nil {
		g.signal(r, k.Key, lifecycle.Signal{Judged: true})
	}
}

// heldUntil handles the deadline of a `for` on a call: the rule matches if all
// of its conditions hold still.
func (g *Engine) heldUntil(i int, r *rules.Rule, d deadline) {
	cs := g.call(d.call)
	if cs == nil || cs.Outcomes[i] == calls.Matched || !cs.Holding(i) || g.st.Now.Before(cs.HoldOf(i).Since.Add(r.For.Duration)) {
		return
	}
	g.seen = &cs.Call.Event
	g.facts.Load(g.seen)
	if truth, severity, concerned := g.evaluate(i, r); concerned && truth == condition.True {
		g.settle(i, r, cs, calls.Matched, severity)
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
