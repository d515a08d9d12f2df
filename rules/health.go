package rules

import "time"

// Health is how one rule is doing.
type Health struct {
	Rule          string    `json:"rule"`
	Mode          Mode      `json:"mode"`
	Severity      Severity  `json:"severity"`
	Counts        Counts    `json:"counts"` // calls, since the state began
	UnjudgedShare float64   `json:"unjudgedShare"`
	MatchedDay    int       `json:"matchedDay"` // calls in the last 24 hours, to the hour
	LastMatch     time.Time `json:"lastMatch,omitzero"`
	NeverFired    bool      `json:"neverFired,omitempty"` // opened no incident since the state began
	Disabled      bool      `json:"disabled,omitempty"`   // until the rules file changes: it was too slow
	Errors        int       `json:"errors,omitempty"`
	LastError     string    `json:"lastError,omitempty"`
	Unreported    []string  `json:"unreported,omitempty"`   // fields it reads that no event has had
	Open          int       `json:"open"`                   // incidents
	Keys          int       `json:"keys"`                   // live keys
	Overflow      int       `json:"overflow,omitempty"`     // calls left out because max_keys was reached
	Late          int       `json:"late,omitempty"`         // calls that windows left out because they came too late
	Unremembered  int       `json:"unremembered,omitempty"` // calls with a value of which cannot be told whether it is new: their key has had as many as are remembered
	HeldBack      HeldBack  `json:"heldBack,omitzero"`      // what active hours, cooldown and silences held back
}

// KeyHealth is what the window of one key says now.
type KeyHealth struct {
	By       []Label  `json:"by"`
	Holds    bool     `json:"holds,omitempty"`    // the condition
	Unknown  bool     `json:"unknown,omitempty"`  // whether it holds cannot be told
	TooFew   *int     `json:"tooFew,omitempty"`   // measured calls, where they are fewer than the rule needs
	Values   *Values  `json:"values,omitempty"`   // the leading figure; absent where it is unknown
	Limit    *float64 `json:"limit,omitempty"`    // that the leading figure is compared with, where it is a number
	Trend    []Point  `json:"trend,omitempty"`    // of the leading figure, oldest first, at most 12
	Incident string   `json:"incident,omitempty"` // the open one
}
