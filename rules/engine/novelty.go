package engine

import (
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/parts"
)

// MaxKnown bounds the values remembered for one key. Beyond, whether another one is
// new cannot be told: its calls are unjudged.
const MaxKnown = 1000

// knownValues are what a rule about new values has seen of one key.
type knownValues struct {
	Since  time.Time `json:"since"`
	Hashes []uint64  `json:"hashes"` // sorted
}

// take remembers a value and tells whether it was seen for the first time; unknown
// where it was not seen among as many as are remembered.
func (k *knownValues) take(value string) condition.Truth {
	h := parts.Hash(value)
	i, found := slices.BinarySearch(k.Hashes, h)
	switch {
	case found:
		return condition.False
	case len(k.Hashes) >= MaxKnown:
		return condition.Unknown
	}
	k.Hashes = slices.Insert(k.Hashes, i, h)
	return condition.True
}

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
		k.Known = &knownValues{Since: g.st.Now}
	}
	learned := !g.st.Now.Before(k.Known.Since.Add(r.New.Learn))
	switch isNew := k.Known.take(value); {
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
