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
	Rules []*lifecycle.RuleState // by the rule's place in the set
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
