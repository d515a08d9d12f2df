package engine

import (
	"callwatch/rules"
	"callwatch/rules/engine/lifecycle"
)

// adopt joins incidents about the same key: the one that just opened takes those
// of the rules it adopts, or is taken by one that adopts its rule. Incidents of a
// shadow and of an active rule do not join: one would hide the other, or announce
// it. It returns the keys whose incidents were taken.
func (g *Engine) adopt(r *rules.Rule, k *lifecycle.KeyState) []*lifecycle.KeyState {
	var taken []*lifecycle.KeyState
	for _, name := range r.Adopts {
		child := g.st.Keys[ruleKey{name, k.Key}]
		if child == nil || child.Incident == nil || child.Incident.Parent != "" || child.Incident.Mode != k.Incident.Mode {
			continue
		}
		child.Change(func(i *rules.Incident) { i.Parent, i.UpdatedAt = k.Incident.ID, g.st.Now })
		k.ListAdopted(child.Incident)
		taken = append(taken, child)
	}
	for _, name := range r.AdoptedBy {
		parent := g.st.Keys[ruleKey{name, k.Key}]
		if parent == nil || parent.Incident == nil || parent.Incident.Mode != k.Incident.Mode {
			continue
		}
		k.Change(func(i *rules.Incident) { i.Parent = parent.Incident.ID })
		if parent.ListAdopted(k.Incident) {
			*parent = parent.GatherFrom(g.st.Now)
			g.await(parent)
		}
		break
	}
	return taken
}
