package rules

import "time"

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
