package window

import (
	"fmt"

	"callwatch/rules/condition"
)

// Measure is what is known of a figure of a window, and of how many calls.
type Measure struct {
	Low  float64 `json:"low"` // the figure lies between low and high; equal where it is exact
	High float64 `json:"high"`

	Calls    int `json:"calls"`    // in the window
	Matching int `json:"matching"` // of a condition: calls that meet it
	Measured int `json:"measured"` // calls of which something is known that the figure asks: the base of shares
	Partial  int `json:"partial"`  // of those: calls of which the condition is unknown
	Blind    int `json:"blind"`    // calls of which nothing is known, left out

	Sessions bool `json:"sessions,omitempty"` // these are numbers of sessions, not of calls
}

// Bounds are the two ends of the figure.
func (m *Measure) Bounds() condition.Bounds { return condition.Bounds{Low: m.Low, High: m.High} }

// Coverage says how many calls a figure is of, "252 of 311 calls measured"; "" where
// it is of all of them.
func (m *Measure) Coverage() string {
	if m == nil || m.Blind == 0 {
		return ""
	}
	return m.Base()
}

// Base says of how many calls or sessions a figure is.
func (m *Measure) Base() string {
	items := "calls"
	if m.Sessions {
		items = "sessions"
	}
	return fmt.Sprintf("%d of %d %s measured", m.Measured, m.Calls, items)
}
