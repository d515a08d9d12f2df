package rules

import (
	"slices"
	"strings"
	"time"

	"callwatch/call"
)

// maxLookback bounds what Lookback returns: a window over calls has no length in
// time, and some windows are as long as the store.
const maxLookback = 8 * 24 * time.Hour

// callsLookback is how far back the calls of a window over calls are looked for.
const callsLookback = 24 * time.Hour

// Lookback returns how long before a call stored events matter to what the rules
// make of the call: a whole window with the one before it, or the incident before
// with its cooldown.
func (s *Set) Lookback() time.Duration {
	var most time.Duration
	for _, r := range s.Rules {
		if r.Mode == Off {
			continue
		}
		back := r.ResolveAfter + r.Cooldown
		switch w := r.Window; {
		case w != nil && w.Calls > 0:
			back += callsLookback
		case w != nil:
			back += w.Settle + w.Grace + w.Span()
		}
		most = max(most, back, r.Absent)
	}
	return min(most, maxLookback)
}

// Lookahead returns how long after its last event a call may still be judged: when
// it settles, and the time that a condition must hold.
func (s *Set) Lookahead() time.Duration {
	var most time.Duration
	for _, r := range s.Rules {
		ahead := r.For.Duration
		if r.Window != nil {
			ahead += r.Window.Settle
		}
		most = max(most, ahead)
	}
	return min(most+time.Second, maxLookback)
}

// HasWindows reports whether a rule judges windows: what it makes of a call depends
// on other calls.
func (s *Set) HasWindows() bool {
	for _, r := range s.Rules {
		if r.Window != nil && r.Mode != Off {
			return true
		}
	}
	return false
}

// WithoutOthers leaves out of an explanation what windows make of the call, and
// says why: the trace saw no other calls.
func (x *CallExplanation) WithoutOthers(set *Set, reason string) {
	for i := range x.Rules {
		e := &x.Rules[i]
		r := set.Rule(e.Rule)
		if r == nil || r.Window == nil || e.Verdict == VerdictNotConcerned || len(e.Missing) > 0 {
			continue
		}
		ofCall := slices.DeleteFunc(e.Parts, func(p Part) bool {
			return p.Name != "where" && p.Name != partOfCall && !strings.HasPrefix(p.Name, "except ")
		})
		*e = Explanation{Rule: e.Rule, At: e.At, By: e.By, Error: e.Error, Parts: ofCall, Verdict: VerdictUnjudged}
		e.hold("window", reason)
	}
}

// Recall puts into an explanation of a rule about new values what the engine made
// of the call: a replay of a part of the past cannot tell which values are new.
func (g *Engine) Recall(x *Explanation, k call.Key) {
	i, ok := g.indexed[x.Rule]
	if !ok || g.set.Rules[i].New == nil || x.Verdict == VerdictNotConcerned || len(x.Missing) > 0 {
		return
	}
	o := unseen
	if cs := g.call(k); cs != nil {
		o = cs.Outcomes[i]
	} else if past := g.st.Past.of(k, g.st.Now, g.opt.PastFor); i < len(past) {
		o = outcome(past[i])
	}
	x.HeldBack, x.Severity = nil, ""
	switch o {
	case matched:
		x.Verdict, x.Severity = VerdictMatched, g.set.Rules[i].Severity
	case good:
		x.Verdict = VerdictNotMatched
	default:
		x.Verdict = VerdictUnjudged
		x.hold("new", "whether the value was new at that time is not remembered")
	}
}
