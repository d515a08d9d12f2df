package engine

import (
	"slices"

	"callwatch/rules"
)

// maxAdopted bounds the incidents that one lists as its own.
const maxAdopted = 50

// adopt joins incidents about the same key: the one that just opened takes those
// of the rules it adopts, or is taken by one that adopts its rule. Incidents of a
// shadow and of an active rule do not join: one would hide the other, or announce
// it. It returns the keys whose incidents were taken.
func (g *Engine) adopt(r *rules.Rule, k *KeyState) []*KeyState {
	var taken []*KeyState
	for _, name := range r.Adopts {
		child := g.st.Keys[ruleKey{name, k.Key}]
		if child == nil || child.Incident == nil || child.Incident.Parent != "" || child.Incident.Mode != k.Incident.Mode {
			continue
		}
		child.change(func(i *rules.Incident) { i.Parent, i.UpdatedAt = k.Incident.ID, g.st.Now })
		k.list(child.Incident)
		taken = append(taken, child)
	}
	for _, name := range r.AdoptedBy {
		parent := g.st.Keys[ruleKey{name, k.Key}]
		if parent == nil || parent.Incident == nil || parent.Incident.Mode != k.Incident.Mode {
			continue
		}
		k.change(func(i *rules.Incident) { i.Parent = parent.Incident.ID })
		if parent.list(k.Incident) {
			*parent = parent.gatherFrom(g.st.Now)
			g.await(parent)
		}
		break
	}
	return taken
}

// list names an incident among those adopted, and reports whether there was room.
func (k *KeyState) list(child *rules.Incident) bool {
	if len(k.Incident.Adopted) >= maxAdopted {
		return false
	}
	k.change(func(i *rules.Incident) {
		i.Adopted = append(slices.Clip(i.Adopted), rules.Adopted{ID: child.ID, Rule: child.Rule, Summary: child.Summary, OpenedAt: child.OpenedAt})
	})
	return true
}
