package engine

import (
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// Healths returns the health of every rule, in the order of the file.
func (g *Engine) Healths() []rules.Health {
	open := map[string]int{}
	for k, s := range g.st.Keys {
		if s.Incident != nil {
			open[k.Rule]++
		}
	}
	out := make([]rules.Health, len(g.set.Rules))
	for i, r := range g.set.Rules {
		s := g.st.Rules[i]
		out[i] = rules.Health{
			Rule: r.Name, Mode: r.Mode, Severity: r.Severity, Counts: s.Counts, UnjudgedShare: s.Counts.UnjudgedShare(),
			MatchedDay: s.MatchedSince(g.st.Now.Add(-24 * time.Hour)), LastMatch: s.LastMatch, NeverFired: s.Opened == 0,
			Disabled: s.Disabled, Errors: s.Errors, LastError: s.LastError, Unreported: g.unreported(r), Open: open[r.Name],
			Keys: g.live[i], Overflow: s.Overflow, Late: s.Late, HeldBack: s.HeldBack, Unremembered: s.Unremembered,
		}
	}
	return out
}

// Calls is the number of calls that are kept.
func (g *Engine) Calls() int { return g.st.Calls.Len() }

// awaitFields lists the fields that have not been reported yet, so that events
// are looked at for those only.
func (g *Engine) awaitFields() {
	g.awaited = nil
	for _, r := range g.set.Rules {
		for _, name := range r.FieldsRead() {
			f, ok := call.Lookup(name)
			listed := slices.ContainsFunc(g.awaited, func(o call.Field) bool { return o.Name == name })
			if ok && !listed && !slices.Contains(g.st.Reported, name) {
				g.awaited = append(g.awaited, f)
			}
		}
	}
}

// noteFields takes notice of the fields that an event has.
func (g *Engine) noteFields(e *call.Event) {
	for i := len(g.awaited) - 1; i >= 0; i-- {
		if f := &g.awaited[i]; f.Known(e) {
			g.st.Reported = append(g.st.Reported, f.Name)
			g.awaited = slices.Delete(g.awaited, i, i+1)
		}
	}
}

// unreported are the fields the rule reads that no event has had, once there
// were events.
func (g *Engine) unreported(r *rules.Rule) []string {
	if g.st.Seen.Empty() {
		return nil
	}
	names := slices.DeleteFunc(r.FieldsRead(), func(name string) bool { return slices.Contains(g.st.Reported, name) })
	if len(names) == 0 {
		return nil
	}
	return names
}
