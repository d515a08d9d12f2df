package console

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/handlers/console/chart"
	"callwatch/handlers/console/figures"
	"callwatch/handlers/console/format"
	"callwatch/handlers/wording"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/ruletest"
)

const contrastTime = 4 * time.Second

// contrast fills in how good and bad calls differ. Without an answer in time the
// page has no such part.
func (v *incidentView) contrast(ctx context.Context, m *backend.ReadModel) {
	if m.Contrast == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, contrastTime)
	defer cancel()
	if found, err := m.Contrast(ctx, v.Incident.ID); err == nil && found.BadCalls > 0 {
		v.Contrast = figures.ContrastOf(&found)
	}
}

// plot draws the incident with the limits of its rule as it is now.
func (v *incidentView) plot(set *rules.Set) {
	in := &v.Incident
	values, title, label := chart.ValuesOf(in, v.Transitions)
	moments := []chart.Moment{{At: in.OpenedAt, Text: "opened"}}
	if in.Acknowledged != nil {
		moments = append(moments, chart.Moment{At: in.Acknowledged.At, Text: "acknowledged"})
	}
	if !in.ResolvedAt.IsZero() {
		moments = append(moments, chart.Moment{At: in.ResolvedAt, Text: "resolved"})
	}
	v.PlotTitle, v.Plot = title, chart.NewPlot(values, limitsOf(set, in), moments, label)
	for _, s := range values {
		v.PlotRows = append(v.PlotRows, pair{format.Time(s.At), label(s.Value)})
	}
}

// limitsOf are the numbers that the rule of an incident compares its figure with.
func limitsOf(set *rules.Set, in *rules.Incident) (limits []chart.Limit) {
	r := ruleNamed(set, in.Rule)
	if r == nil || in.Values == nil {
		return nil
	}
	limit := regexp.MustCompile(regexp.QuoteMeta(in.Values.Name) + ` (?:<|<=|>|>=) (-?[\d.]+)`)
	seen := map[float64]bool{}
	for _, x := range expressionsOf(r) {
		for _, m := range limit.FindAllStringSubmatch(x.Value, -1) {
			y, err := strconv.ParseFloat(m[1], 64)
			if err != nil || seen[y] {
				continue
			}
			seen[y] = true
			l := chart.Limit{Value: y, Text: x.Name + " " + m[1], Class: "when"}
			if in.Values.Share {
				l.Text = x.Name + " " + wording.Percent(y)
			}
			if x.Name == "resolve" {
				l.Class = "resolve"
			}
			limits = append(limits, l)
		}
	}
	return limits
}

func ruleNamed(set *rules.Set, name string) *rules.Rule {
	if set == nil {
		return nil
	}
	for _, r := range set.Rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// expressionsOf are the conditions of a rule by their names, the levels of its
// ladder first.
func expressionsOf(r *rules.Rule) (all []pair) {
	for _, l := range r.Ladder {
		all = append(all, pair{string(l.Severity), l.When.String()})
	}
	if r.When != nil {
		all = append(all, pair{"when", r.When.String()})
	}
	if r.Window != nil && r.Window.Resolve != nil {
		all = append(all, pair{"resolve", r.Window.Resolve.String()})
	}
	return all
}

// partsOf are the expressions of a rule, of a call of which nothing is known.
func partsOf(set *rules.Set, name string) []rules.Part {
	if set == nil {
		return nil
	}
	trace := ruletest.NewTrace(set, engine.Options{})
	var e call.Event
	e.ID, e.Provider, e.CallID, e.Kind, e.Final = "none", "none", "none", call.Ended, true
	trace.Apply(time.Unix(0, 0).UTC(), &e)
	for _, c := range trace.Calls() {
		for i := range c.Rules {
			if c.Rules[i].Rule == name {
				return c.Rules[i].Parts
			}
		}
	}
	return nil
}
