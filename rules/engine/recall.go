package engine

import (
	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/engine/calls"
)

// Recall puts into an explanation of a rule about new values what the engine made
// of the call: a replay of a part of the past cannot tell which values are new.
func (g *Engine) Recall(x *rules.Explanation, k call.Key) {
	i, ok := g.indexed[x.Rule]
	if !ok || g.set.Rules[i].New == nil || x.Verdict == rules.VerdictNotConcerned || len(x.Missing) > 0 {
		return
	}
	o := calls.Unseen
	if cs := g.call(k); cs != nil {
		o = cs.Outcomes[i]
	} else if gone := g.st.Past.Of(k, g.st.Now, g.opt.PastFor); i < len(gone) {
		o = calls.Outcome(gone[i])
	}
	x.HeldBack, x.Severity = nil, ""
	switch o {
	case calls.Matched:
		x.Verdict, x.Severity = rules.VerdictMatched, g.set.Rules[i].Severity
	case calls.Good:
		x.Verdict = rules.VerdictNotMatched
	default:
		x.Verdict = rules.VerdictUnjudged
		x.HoldBack("new", "whether the value was new at that time is not remembered")
	}
}
