package engine

import (
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/lifecycle"
	"callwatch/rules/engine/past"
)

// state is everything the engine remembers: what a checkpoint holds.
type state struct {
	Now   time.Time // stream time
	Seq   uint64    // last event or tick applied
	Calls *calls.Cache
	Keys  map[ruleKey]*lifecycle.KeyState
	Rules []*ruleState // by the rule's place in the set
	Seen  past.Events
	Past  past.Calls // calls that are no longer kept

	Silences []rules.CompiledSilence // made at run time
	Reported []string                // fields that rules read and events have had
}

// ruleKey names the state of one rule for one key.
type ruleKey struct {
	Rule string
	Key  string // labels, joined
}

// ruleState is what a rule's health is told from.
type ruleState struct {
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
