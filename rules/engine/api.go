package engine

import (
	"iter"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/rules/condition"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
)

// Now returns stream time: that of the latest input, or of the latest deadline that
// has passed.
func (g *Engine) Now() time.Time { return g.st.Now }

// CallState returns a call that has not expired, with its facts; nil if there is
// none. It is for reading, until the next input.
func (g *Engine) CallState(k call.Key) *calls.State { return g.call(k) }

// KeyState returns the state of a rule for one key; nil if there is none. It is for
// reading, until the next input.
func (g *Engine) KeyState(rule, key string) *lifecycle.KeyState { return g.st.Keys[ruleKey{rule, key}] }

// KeyStates returns the states of a rule, in no order.
func (g *Engine) KeyStates(rule string) iter.Seq[*lifecycle.KeyState] {
	return func(yield func(*lifecycle.KeyState) bool) {
		for key, k := range g.st.Keys {
			if key.Rule == rule && !yield(k) {
				return
			}
		}
	}
}

// Counts returns the calls that the rule at index i has seen.
func (g *Engine) Counts(i int) rules.Counts { return g.st.Rules[i].Counts }

// WindowVerdict is what a window says now.
type WindowVerdict struct {
	Truth   condition.Truth
	Partial bool             // Truth is unknown only because partial calls may be either
	Begun   bool             // Truth is unknown only because the window was not watched for all of its time yet
	Value   float64          // of the leading figure; NaN if it is unknown
	Figures *condition.Facts // valid until the next verdict or input
	Few     *rules.Values    // the figure with the fewest measured calls, if fewer than the rule needs; else nil
}

// JudgeWindow returns what the window of a key says now to the rule at index i. It
// changes nothing.
func (g *Engine) JudgeWindow(i int, k *lifecycle.KeyState) WindowVerdict {
	r := g.set.Rules[i]
	j := g.readWindow(i, k)
	v := WindowVerdict{Truth: j.Truth, Partial: j.Open, Begun: j.Begun, Value: j.Value, Figures: &g.windows}
	if few, ok := g.short(r.Window); ok {
		v.Few = &few
	}
	return v
}

// readWindow is judgement for readers: it leaves no trace in the state, which is the same
// in every replica.
func (g *Engine) readWindow(i int, k *lifecycle.KeyState) lifecycle.Judgement {
	s := g.st.Rules[i]
	errors, last := s.Errors, s.LastError
	j := g.judgement(i, g.set.Rules[i], k)
	s.Errors, s.LastError = errors, last
	return j
}

// Waiting reports whether the condition of the rule at index i holds for some call,
// but not yet for as long as its `for` asks.
func (g *Engine) Waiting(i int) bool {
	for cs := range g.st.Calls.All() {
		if cs.Outcomes[i] == calls.Matched {
			continue
		}
		if since, recent := cs.Hold(i); !since.IsZero() || slices.Contains(recent, true) {
			return true
		}
	}
	return false
}
