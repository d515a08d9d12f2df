package rules

import (
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// read asks the arguments of a rule about the call in facts.
func (w *Window) read(facts *condition.Facts, readings []reading) ([]reading, error) {
	var failure error
	for _, a := range w.Figures.Args {
		var r reading
		var err error
		switch {
		case a.Cond:
			r.class, err = a.Classify(facts)
			r.known = r.class == condition.Matching || r.class == condition.Clear
		case a.Many:
			r.text, r.known, err = a.Value(facts)
		default:
			r.number, r.known, err = a.Number(facts)
		}
		if err != nil && failure == nil {
			failure = err
		}
		readings = append(readings, r)
	}
	return readings, failure
}

// happened is when a call was over, by the provider's clock, or else when that
// was stored.
func happened(e *call.Event, stored time.Time) time.Time {
	for _, t := range []time.Time{e.EndedAt, e.OccurredAt} {
		if !t.IsZero() {
			return t
		}
	}
	return stored
}
