package engine

import (
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/lifecycle"
)

// signal lets one key take a step, and records the transition it makes.
func (g *Engine) signal(r *rules.Rule, key string, in lifecycle.Signal) {
	k := g.st.Keys[ruleKey{r.Name, key}]
	if k == nil {
		if in.Match == nil {
			return
		}
		if k = g.key(g.indexed[r.Name], key); k == nil {
			return
		}
	}
	next, step, reason := k.Step(r, in, g.st.Now)
	*k = next
	if step == lifecycle.StepInactive || step == lifecycle.StepCooledDown {
		lifecycle.CountHeldBack(&g.st.Rules[g.indexed[r.Name]].HeldBack, step)
		step = ""
	}
	var adopted []*lifecycle.KeyState
	if step != "" {
		if step == rules.StepOpened {
			g.st.Rules[g.indexed[r.Name]].Opened++
			k.Change(func(i *rules.Incident) { i.Slack, i.Outputs = g.set.Receivers(r, i); i.Silence = g.silenceOf(i) })
			k.SilenceAt = g.set.SilenceBegins(g.st.Now)
			if k.Incident.Silence != nil {
				g.st.Rules[g.indexed[r.Name]].HeldBack.Silences++
			}
			g.gatherSamples(r, k)
			adopted = g.adopt(r, k)
		}
		if step == rules.StepOpened || step == rules.StepEscalated {
			k.Change(func(i *rules.Incident) { i.Mention = g.set.Mentions(r, i) })
		}
		k.MarkTold()
		k.Change(func(i *rules.Incident) {
			i.RuleError = g.st.Rules[g.indexed[r.Name]].LastError
			if i.Values == nil {
				i.Summary = r.Summarize(i)
			}
		})
		g.emit(step, reason, *k.Incident)
	}
	if step == rules.StepEscalated {
		g.cover(k, "it escalated")
	}
	for _, child := range adopted {
		child.MarkTold()
		g.emit(rules.StepAdopted, "belongs to "+r.Name, *child.Incident)
	}
	if step == rules.StepResolved {
		k.Incident, k.Told, k.SilenceAt = nil, lifecycle.Told{}, time.Time{}
	}
	if k.Incident != nil && r.OfCalls() && !k.ResolveAt.IsZero() && !g.st.Now.Before(k.ResolveAt) {
		g.signal(r, key, lifecycle.Signal{}) // resolve_after: 0s
		return
	}
	g.leave(k)
}

func (g *Engine) emit(step rules.Step, reason string, in rules.Incident) {
	g.out = append(g.out, rules.Transition{
		Step: step, At: g.st.Now, Cause: rules.Cause{Seq: g.st.Seq, Index: len(g.out)},
		Reason: reason, Incident: in,
	})
}
