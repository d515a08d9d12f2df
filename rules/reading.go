package rules

import (
	"time"

	"callwatch/call"
	"callwatch/rules/condition"
)

// read asks the arguments of a rule about the call in facts.
func (w *Window) read(facts *condition.Facts, readings []reading) ([]reading, error) {
	var failure error
	for i, a := range w.Figures.Args {
		var r reading
		var err error
		switch s := &w.shape.args[i]; {
		case a.Cond:
			res := a.Judge(facts)
			r.known, r.met, err = res.Truth != condition.Unknown, res.Truth == condition.True, res.Err
		case s.set >= 0:
			r.text, r.known, err = a.Value(facts)
			if s.sum+s.low+s.high+s.sketch > -4 {
				r.number, _, _ = a.Number(facts)
			}
		default:
			r.number, r.known, err = a.Number(facts)
		}
		if i == w.lead.arg && !a.Cond && w.lead.bound {
			r.met = r.known && w.lead.limit.Holds(r.number)
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
