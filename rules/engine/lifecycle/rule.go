package lifecycle

import (
	"slices"
	"time"

	"callwatch/rules"
)

// RuleState is what a rule's health is told from.
type RuleState struct {
	Counts       rules.Counts   `json:"counts"`
	LastMatch    time.Time      `json:"lastMatch,omitzero"`
	Opened       int            `json:"opened,omitempty"` // incidents
	Hours        []hour         `json:"hours,omitempty"`  // with matches, oldest first
	LastError    string         `json:"lastError,omitempty"`
	Errors       int            `json:"errors,omitempty"`
	Late         int            `json:"late,omitempty"`     // calls that came too late for their window
	Overflow     int            `json:"overflow,omitempty"` // calls of keys beyond max_keys
	HeldBack     rules.HeldBack `json:"heldBack,omitzero"`
	Unremembered int            `json:"unremembered,omitempty"` // calls of which a rule about new values could not tell
	Disabled     bool           `json:"disabled,omitempty"`     // until the rules file changes: it was too slow
}

// hour is how many calls matched in one hour of stream time.
type hour struct {
	From    time.Time `json:"from"`
	Matched int       `json:"matched"`
}

// MatchAt counts a match.
func (s *RuleState) MatchAt(now time.Time) {
	s.LastMatch = now
	from := now.Truncate(time.Hour)
	if n := len(s.Hours); n > 0 && s.Hours[n-1].From.Equal(from) {
		s.Hours[n-1].Matched++
		return
	}
	s.Hours = slices.DeleteFunc(s.Hours, func(h hour) bool { return h.From.Before(from.Add(-24 * time.Hour)) })
	s.Hours = append(s.Hours, hour{from, 1})
}

// MatchedSince is how many calls matched since a time.
func (s *RuleState) MatchedSince(t time.Time) (n int) {
	for _, h := range s.Hours {
		if h.From.After(t) {
			n += h.Matched
		}
	}
	return n
}

// Fail notes a run-time error of the rule.
func (s *RuleState) Fail(text string) {
	s.Errors++
	s.LastError = text
}
