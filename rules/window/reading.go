package window

import "callwatch/rules/condition"

// Reading is what one call says to one argument of a rule's figures.
type Reading struct {
	known  bool
	class  condition.Class // of a condition
	number float64
	text   string
}

// Read appends what the call in facts says to each argument, with the first error of
// an expression.
func (w *Spec) Read(facts *condition.Facts, readings []Reading) ([]Reading, error) {
	var failure error
	for _, a := range w.Figures.Args {
		var r Reading
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
