package rules

import (
	"fmt"
	"math"

	"callwatch/rules/condition"
	"callwatch/rules/numbers"
	"callwatch/rules/window"
)

// Measure is what is known of a figure of a window, and of how many calls.
type Measure = window.Measure

// LatestText is the latest value as people read it, with the calls it is of:
// "11.9 % or more (30 of 252 measured)".
func (v *Values) LatestText() string { return v.text(v.Latest, &v.Measure) + v.matching() }

// OpeningText, WorstText and ResolvingText are the other values.
func (v *Values) OpeningText() string { return v.text(v.Opening, v.OpeningMeasure) }
func (v *Values) WorstText() string   { return v.text(v.Worst, v.WorstMeasure) }
func (v *Values) ResolvingText() string {
	if v.Resolving == nil {
		return ""
	}
	return v.text(*v.Resolving, v.ResolvingMeasure)
}

// matching are the calls behind a share: those that match, or may where the upper end
// is shown, of those measured.
func (v *Values) matching() string {
	m := &v.Measure
	if !v.Share || m.Measured == 0 {
		return ""
	}
	matching := m.Matching
	if v.Direction == DirectionDown {
		matching += m.Partial
	}
	return fmt.Sprintf(" (%d of %d measured)", matching, m.Measured)
}

const (
	DirectionUp   = "up"
	DirectionDown = "down"
)

// DirectionOf is the direction of a figure as incidents name it; "" of neither side.
func DirectionOf(d condition.Direction) string {
	switch d {
	case condition.Up:
		return DirectionUp
	case condition.Down:
		return DirectionDown
	}
	return ""
}

// text writes one value; of a bounded one, the end that decides.
func (v *Values) text(x float64, m *Measure) string {
	shown := v.shown(x, m)
	if v.Share {
		return numbers.Percent(shown)
	}
	return numbers.Format(shown)
}

// shown is a value with what is known of it.
func (v *Values) shown(x float64, m *Measure) any {
	switch {
	case m == nil || m.Low == m.High || math.IsNaN(x):
		return x
	case v.Direction == DirectionDown:
		return numbers.AtMost(x)
	case v.Direction == DirectionUp:
		return numbers.AtLeast(x)
	default:
		return numbers.Between(m.Bounds())
	}
}

// metValue is the number that a condition met, with what is known of it.
func metValue(c *Condition) any {
	switch {
	case c.Low == nil && c.High == nil:
		return *c.Value
	case c.High == nil || c.Low != nil && *c.Value == *c.Low:
		return numbers.AtLeast(*c.Value)
	default:
		return numbers.AtMost(*c.Value)
	}
}
