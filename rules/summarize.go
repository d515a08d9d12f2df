package rules

import (
	"math"
	"regexp"
	"strings"

	"callwatch/call"
	"callwatch/rules/condition"
	"callwatch/rules/numbers"
	"callwatch/rules/summary"
)

// ParseSummary compiles the template of a summary, which may name what tables give.
func ParseSummary(src string, tables map[string]*condition.Table) (*summary.Template, error) {
	return summary.Parse(src, sampleFacts(tables))
}

// Summarize is the incident's sentence by its rule, or the default one: what was
// seen, and on what. It is built from the worst call, as the severity is.
func (r *Rule) Summarize(in *Incident) string {
	if r.Summary != nil {
		if s, err := r.Summary.Render(r.summaryFacts(in)); err == nil && s != "" {
			return s
		}
	}
	what := "a call matched"
	if held := HeldTexts(in.Worst.Conditions); len(held) > 0 {
		what = strings.Join(held, ", ")
	}
	if r.Window != nil && !strings.HasPrefix(what, "no call for ") { // an empty one, which says how long it is
		what += " over " + r.Window.String()
	}
	var on []string
	for _, l := range in.By {
		if l.Value != "" {
			on = append(on, l.Value)
		}
	}
	if len(on) == 0 {
		return what
	}
	return what + " on " + strings.Join(on, ", ")
}

// HeldTexts are the conditions that held, one for each value met: of `mos < 3.5`
// and `mos < 3` the first says enough.
func HeldTexts(conditions []Condition) []string {
	var texts []string
	seen := map[string]bool{}
	for _, c := range conditions {
		value, _, _ := strings.Cut(c.Text, ") ")
		if c.Truth == True && !seen[value] {
			seen[value] = true
			texts = append(texts, c.Text)
		}
	}
	return texts
}

// sampleFacts are those of an incident of which everything is known, with what tables give.
func sampleFacts(tables map[string]*condition.Table) summary.Facts {
	var e call.Event
	in := &Incident{Rule: "rule", Severity: Warning}
	in.Worst.Call = e
	f := summaryFacts(in)
	f.Value = 1.0
	for _, field := range call.Fields() {
		switch field.Type {
		case call.Number, call.Integer:
			f.Call[field.Name] = numbers.OfUnit(1, field.Unit)
		case call.Text:
			f.Call[field.Name] = "text"
		case call.Bool:
			f.Call[field.Name] = true
		}
	}
	for name := range tables {
		f.Call[name] = "text"
	}
	return f
}

// summaryFacts are those of an incident, with what the tables of the rules say of its
// worst call.
func (r *Rule) summaryFacts(in *Incident) summary.Facts {
	f := summaryFacts(in)
	if v := r.quotient(in); v != nil {
		f.Value = v
	}
	for name, t := range r.Tables {
		text := t.Lookup(&in.Worst.Call)
		if by := f.By[name]; text == "" {
			text = string(by)
		}
		if f.Call[name] = text; text == "" {
			f.Call[name] = summary.Text("")
		}
	}
	return f
}

// quotient is what the condition compares at worst where that is a quotient of the
// leading figure, which says little without the other; nil elsewhere.
func (r *Rule) quotient(in *Incident) any {
	if in.Values == nil || r.Window == nil {
		return nil
	}
	for _, l := range r.Window.Leads {
		if l.Quotient == "" || r.Window.Figures.All[l.Figure].Name != in.Values.Name || DirectionOf(l.Direction) != in.Values.Direction {
			continue
		}
		for _, c := range in.Worst.Conditions {
			if c.Expr != l.Quotient || c.Value == nil {
				continue
			}
			if l.Share {
				return known(metValue(&c), numbers.ShareUnit)
			}
			return known(metValue(&c), "")
		}
	}
	return nil
}

func summaryFacts(in *Incident) summary.Facts {
	from := in.OpenedAt
	if !in.Since.IsZero() {
		from = in.Since
	}
	f := summary.Facts{
		Rule: in.Rule, Severity: string(in.Severity), By: map[string]summary.Text{}, Value: summary.Text(""),
		Call: map[string]any{}, Counts: in.Counts,
		Since: summary.SinceOf(from, max(0, in.UpdatedAt.Sub(from), in.Latest.At.Sub(from))),
	}
	for _, l := range in.By {
		f.By[l.Name] = summary.Text(l.Value)
	}
	for _, field := range call.Fields() {
		switch v := field.Value(&in.Worst.Call).(type) {
		case nil:
			f.Call[field.Name] = summary.Text("")
		case float64:
			f.Call[field.Name] = numbers.OfUnit(v, field.Unit)
		default:
			f.Call[field.Name] = v
		}
	}
	if v := in.Values; v != nil {
		f.Value = known(v.shown(v.Worst, v.WorstMeasure), unitOf(v.Name))
		return f
	}
	for _, c := range in.Worst.Conditions {
		if c.Truth == True && c.Value != nil {
			name, _, _ := strings.Cut(c.Text, " (")
			f.Value = known(metValue(&c), unitOf(name))
			break
		}
	}
	return f
}

var figureCall = regexp.MustCompile(`^(prev|avg|min|max|p50|p90|p95|p99|rate|p|mean|median)\((.*?)(?:, [0-9.]+[0-9a-z.]*)?\)$`)

// unitOf is the unit of what a condition compares: of a field, or of a figure of
// a window; "" where it has none.
func unitOf(name string) string {
	for {
		m := figureCall.FindStringSubmatch(name)
		switch {
		case m == nil:
			if _, of, elements := strings.Cut(name, ", ."); elements { // of a list
				name = of
			}
			f, _ := call.Lookup(name)
			return f.Unit
		case m[1] == "rate":
			return numbers.ShareUnit
		}
		name = m[2]
	}
}

// known is a number with its unit; one of which only an end is known stays as it
// is.
func known(v any, unit string) any {
	f, plain := v.(float64)
	switch {
	case !plain:
		return v
	case math.IsNaN(f):
		return summary.Text("")
	}
	return numbers.OfUnit(f, unit)
}
