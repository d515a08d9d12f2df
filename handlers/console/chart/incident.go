package chart

import (
	"slices"
	"time"

	"callwatch/handlers/wording"
	"callwatch/rules"
)

// ValuesOf is the course of an incident, its name and how a value is written: the figure
// of a rule over windows, or how the number of matching calls grew.
func ValuesOf(in *rules.Incident, transitions []rules.Transition) (values []Sample, title string, label func(float64) string) {
	label = func(x float64) string { return wording.Amount(int64(x + 0.5)) }
	if in.Values == nil {
		title = "Matching calls"
		for _, t := range transitions {
			values = append(values, Sample{At: t.At, Value: float64(t.Incident.Counts.Matched)})
		}
	} else {
		title = in.Values.Name
		label = func(x float64) string { return wording.Grouped(wording.Significant(x, 3)) }
		if in.Values.Share {
			label = wording.Percent
		}
		for _, p := range in.Trend {
			values = append(values, Sample{At: p.At, Value: p.Value})
		}
		for _, t := range transitions {
			for _, p := range t.Incident.Trend {
				values = append(values, Sample{At: p.At, Value: p.Value})
			}
			if t.Incident.Values != nil && t.Incident.Values.Name == in.Values.Name {
				at := t.Incident.Values.Latest
				if t.Incident.Values.Resolving != nil {
					at = *t.Incident.Values.Resolving
				}
				values = append(values, Sample{At: t.At, Value: at})
			}
		}
	}
	slices.SortStableFunc(values, func(a, b Sample) int { return a.At.Compare(b.At) })
	values = slices.CompactFunc(values, func(a, b Sample) bool { return a.At.Sub(b.At).Abs() < time.Second })
	return values, title, label
}
