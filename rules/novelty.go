package rules

import (
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// maxKnown bounds the values remembered for one key; beyond, nothing is new.
const maxKnown = 1000

// knownValues are what a rule about new values has seen of one key.
type knownValues struct {
	Since  time.Time `json:"since"`
	Hashes []uint64  `json:"hashes"` // sorted
}

// take remembers a value and says whether it was seen for the first time.
func (k *knownValues) take(value string) bool {
	h := hash64(value)
	i, found := slices.BinarySearch(k.Hashes, h)
	if found || len(k.Hashes) >= maxKnown {
		return false
	}
	k.Hashes = slices.Insert(k.Hashes, i, h)
	return true
}

// judgeNew looks whether a call brings a value that its key never had.
func (g *Engine) judgeNew(i int, r *Rule, cs *callState) {
	switch concerned, unknown := g.concerns(i, r); {
	case unknown:
		g.settle(i, r, cs, unjudged, "")
		return
	case !concerned:
		return
	}
	value := textOf(r.New.Field.Value(g.seen))
	if value == "" {
		g.settle(i, r, cs, unjudged, "")
		return
	}
	k := g.keyOfCall(i, g.seen)
	if k == nil {
		return
	}
	if k.Known == nil {
		k.Known = &knownValues{Since: g.st.Now}
	}
	isNew := k.Known.take(value) && !g.st.Now.Before(k.Known.Since.Add(r.New.Learn))
	if isNew {
		g.settle(i, r, cs, matched, r.Severity)
	} else {
		g.settle(i, r, cs, good, "")
	}
}

func (n *Novelty) leaf(e *call.Event) Condition {
	return Condition{
		Expr: "new " + n.Field.Name, Text: fmt.Sprintf("%s (%q) is new", n.Field.Name, textOf(n.Field.Value(e))),
		Truth: condition.True,
	}
}
