package engine

import (
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/calls"
	"callwatch/rules/engine/past"
	"callwatch/rules/window"
)

// state is everything the engine remembers: what a checkpoint holds.
type state struct {
	Now   time.Time // stream time
	Seq   uint64    // last event or tick applied
	Calls *calls.Cache
	Keys  map[ruleKey]*KeyState
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

// KeyState is the state of one (rule, key).
type KeyState struct {
	Rule      string          `json:"rule"`
	Key       string          `json:"key"`
	Incident  *rules.Incident `json:"incident,omitempty"`
	ResolveAt time.Time       `json:"resolveAt,omitzero"`
	UpdateAt  time.Time       `json:"updateAt,omitzero"`  // when gathered changes are told
	QuietTill time.Time       `json:"quietTill,omitzero"` // cooldown: no new incident before
	LastGood  *rules.Evidence `json:"lastGood,omitempty"` // latest call judged good while the incident is open

	PendingTill time.Time      `json:"pendingTill,omitzero"` // a window's condition holds; when its `for` is over
	HeldAt      instant        `json:"heldAt,omitempty"`     // when that was judged last
	HoldsSince  instant        `json:"holdsSince,omitempty"` // since when the condition holds that has opened no incident yet
	HeldBack    rules.Step     `json:"heldBack,omitempty"`   // what keeps a condition that holds from opening an incident
	Dismissed   rules.Severity `json:"dismissed,omitempty"`  // resolved by hand at this severity, and the condition has held since
	Tally       []rules.Share  `json:"tally,omitempty"`      // what Incident.Top is taken from
	Tallied     int            `json:"tallied,omitempty"`    // calls that Tally counts
	Lead        int            `json:"lead,omitempty"`       // place of the figure that the incident follows among the rule's leads
	Told        told           `json:"lastTold,omitzero"`    // what the latest transition said
	LookAt      time.Time      `json:"lookAt,omitzero"`      // when the window or absence is to be judged again
	RemindAt    time.Time      `json:"remindAt,omitzero"`
	SilenceAt   time.Time      `json:"silenceAt,omitzero"` // when a silence that recurs may begin to cover the incident
	RemindIn    time.Duration  `json:"remindIn,omitempty"` // until the reminder after that
	Openings    []time.Time    `json:"openings,omitempty"` // within the latest hour
	CalmAt      time.Time      `json:"calmAt,omitzero"`    // when the openings are forgotten

	Window   *window.State `json:"window,omitempty"`
	Seen     time.Time     `json:"seen,omitzero"`      // latest call, of rules about absence
	Watched  instant       `json:"watched,omitempty"`  // from when on calls were waited for, or the whole window was seen; zero: always
	Missed   instant       `json:"missed,omitempty"`   // of windows over time: until when callwatch was away last
	Expected bool          `json:"expected,omitempty"` // of rules about absence: missed although no call was seen
	Known    *knownValues  `json:"known,omitempty"`

	queued time.Time // deadline that is waiting for the key
}

// told is what a transition said of an incident, as far as it decides whether there
// is an update to tell.
type told struct {
	Latest  float64      `json:"latest,omitempty"` // of the leading figure
	Worst   float64      `json:"worst,omitempty"`
	Adopted int          `json:"adopted,omitempty"` // incidents
	Counts  rules.Counts `json:"counts,omitzero"`   // of rules about single calls
}

// due is when time alone will change something for the key; zero for never.
func (k *KeyState) due(now time.Time) time.Time {
	var next time.Time
	for _, t := range [...]time.Time{k.ResolveAt, k.UpdateAt, k.QuietTill, k.LookAt, k.RemindAt, k.CalmAt, k.PendingTill, k.SilenceAt, k.silencedTill()} {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
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
