package rules

import "time"

// Health is how one rule is doing.
type Health struct {
	Rule      string    `json:"rule"`
	Mode      Mode      `json:"mode"`
	Severity  Severity  `json:"severity"`
	Counts    Counts    `json:"counts"` // calls, since the state began
	LastMatch time.Time `json:"lastMatch,omitzero"`
	Errors    int       `json:"errors,omitempty"`
	LastError string    `json:"lastError,omitempty"`
	Open      int       `json:"open"`               // incidents
	Keys      int       `json:"keys"`               // live keys
	Overflow  int       `json:"overflow,omitempty"` // calls left out because max_keys was reached
	Late      int       `json:"late,omitempty"`     // calls that windows left out because they came too late
}

// Healths tells of every rule, in the order of the file.
func (g *Engine) Healths() []Health {
	open := map[string]int{}
	for k, s := range g.st.Keys {
		if s.Incident != nil {
			open[k.Rule]++
		}
	}
	out := make([]Health, len(g.set.Rules))
	for i, r := range g.set.Rules {
		s := g.st.Rules[i]
		out[i] = Health{
			Rule: r.Name, Mode: r.Mode, Severity: r.Severity, Counts: s.Counts,
			LastMatch: s.LastMatch, Errors: s.Errors, LastError: s.LastError, Open: open[r.Name],
			Keys: g.live[i], Overflow: s.Overflow, Late: s.Late,
		}
	}
	return out
}

// Calls is the number of calls that are kept.
func (g *Engine) Calls() int { return len(g.st.Calls) }
