package engine

import (
	"fmt"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
)

// judgeNew looks whether a call brings a value that its key never had.
func (g *Engine) judgeNew(i int, r *rules.Rule, cs *calls.State) {
	switch concerned, unknown := g.concerns(i, r); {
	case unknown:
		g.settle(i, r, cs, calls.Unjudged, "")
		return
	case !concerned:
		return
	}
	value := r.New.Field.Format(g.seen)
	if value == "" {
		g.settle(i, r, cs, calls.Unjudged, "")
		return
	}
	k := g.keyOfCall(i, g.seen)
	if k == nil {
		return
	}
	if k.Known == nil {
		k.Known = &lifecycle.KnownValues{Since: g.st.Now}
	}
	learned := !g.st.Now.Before(k.Known.Since.Add(r.New.Learn))
	switch isNew := k.Known.Take(value); {
	case isNew == condition.Unknown:
		if cs.Outcomes[i] == calls.Unseen {
			g.st.Rules[i].Unremembered++
		}
		g.settle(i, r, cs, calls.Unjudged, "")
	case isNew == condition.True && learned:
		g.settle(i, r, cs, calls.Matched, r.Severity)
	default:
		g.settle(i, r, cs, calls.Good, "")
	}
}

func noveltyLeaf(n *rules.Novelty, e *call.Event) rules.Condition {
	return rules.Condition{
		Expr: "new " + n.Field.Name, Text: fmt.Sprintf("%s (%q) is new", n.Field.Name, n.Field.Format(e)),
		Truth: condition.True,
	}
}
