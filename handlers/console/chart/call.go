package chart

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// Chart is one figure of a call over its intervals.
type Chart struct {
	Name       string      `json:"name"`
	Title      string      `json:"title"`
	Unit       string      `json:"unit"`
	X          []float64   `json:"x"` // Unix time in seconds, middle of the interval
	Y          []*float64  `json:"y"` // null where unknown
	Thresholds []threshold `json:"thresholds"`
	Markers    []marker    `json:"markers"`

	Min, Max float64    `json:"-"` // of what is known
	Rows     []chartRow `json:"-"`
}

// chartRow is the chart as a table tells it.
type chartRow struct {
	Clock, Value string
}

// threshold is a limit that a rule compares the figure with.
type threshold struct {
	Y    float64 `json:"y"`
	Text string  `json:"text"` // "low-mos: mos < 3.5"
}

// marker is an alert that the call made.
type marker struct {
	X        float64 `json:"x"`
	Label    string  `json:"label"`
	Severity string  `json:"severity"`
}

// Clock is when it happened, as the legend says it.
func (m marker) Clock() string {
	return time.Unix(int64(m.X), 0).UTC().Format(time.TimeOnly)
}

// figure is a column of the intervals and the fields that rules compare it by.
type figure struct {
	name, title, unit string
	fields            []string
	of                func(*call.Interval) *float64
}

func figures() []figure {
	return []figure{
		{"mos", "MOS", "", []string{"mos", "mosMin", "mosEstimate"}, func(v *call.Interval) *float64 { return v.MOS }},
		{"loss", "Packet loss", "%", []string{"packetLossPct"}, func(v *call.Interval) *float64 { return v.PacketLossPct }},
		{"jitter", "Jitter", "ms", []string{"jitterMs", "jitterMaxMs"}, func(v *call.Interval) *float64 { return v.JitterMs }},
		{"rtt", "Round-trip time", "ms", []string{"rttMs", "rttMaxMs"}, func(v *call.Interval) *float64 { return v.RTTMs }},
	}
}

// OfCall draws what the intervals of a call tell. Figures that no interval has
// are left out.
func OfCall(e *call.Event, why []rules.Explanation, incidents []rules.Incident) (charts []Chart) {
	alerts := markersOf(why, incidents)
	for _, f := range figures() {
		c := Chart{Name: f.name, Title: f.title, Unit: f.unit, Markers: alerts, Thresholds: thresholdsOf(why, f.fields), Min: math.Inf(1), Max: math.Inf(-1)}
		for i := range e.Intervals {
			v := &e.Intervals[i]
			if v.Start.IsZero() && v.End.IsZero() {
				continue
			}
			at := v.Start.Add(v.Duration() / 2)
			if v.Start.IsZero() {
				at = v.End
			}
			y := f.of(v)
			c.X, c.Y = append(c.X, seconds(at)), append(c.Y, y)
			if y != nil {
				c.Min, c.Max = min(c.Min, *y), max(c.Max, *y)
				c.Rows = append(c.Rows, chartRow{Clock: at.UTC().Format("15:04:05"), Value: strconv.FormatFloat(*y, 'f', 2, 64)})
			}
		}
		if len(c.Rows) > 0 {
			charts = append(charts, c)
		}
	}
	return charts
}

// thresholdsOf are the limits of the rules that apply to the call.
func thresholdsOf(why []rules.Explanation, fields []string) []threshold {
	comparison := regexp.MustCompile(`^(\w+) (?:<|<=|>|>=) (-?[\d.]+)$`) // a leaf: field and number
	found := []threshold{}
	seen := map[float64]bool{}
	var walk func(rule string, n *rules.Tree)
	walk = func(rule string, n *rules.Tree) {
		if m := comparison.FindStringSubmatch(n.Expr); m != nil && slices.Contains(fields, m[1]) {
			if y, err := strconv.ParseFloat(m[2], 64); err == nil && !seen[y] {
				seen[y] = true
				found = append(found, threshold{y, rule + ": " + n.Expr})
			}
		}
		for i := range n.Children {
			walk(rule, &n.Children[i])
		}
	}
	for i := range why {
		if why[i].Verdict == rules.VerdictNotConcerned {
			continue
		}
		for j := range why[i].Parts {
			walk(why[i].Rule, &why[i].Parts[j].Tree)
		}
	}
	return found
}

// markersOf are the alerts that the call opened or joined, once each.
func markersOf(why []rules.Explanation, incidents []rules.Incident) []marker {
	found := []marker{}
	told := map[string]bool{}
	for i := range why {
		if x := &why[i]; x.Verdict == rules.VerdictMatched && x.Incident != "" {
			told[x.Rule] = true
			found = append(found, marker{seconds(x.At), x.Rule, string(x.Severity)})
		}
	}
	for i := range incidents {
		if in := &incidents[i]; !told[in.Rule] {
			told[in.Rule] = true
			found = append(found, marker{seconds(in.OpenedAt), in.Rule, string(in.Severity)})
		}
	}
	slices.SortFunc(found, byTime)
	return found
}

// byTime orders alerts as they came.
func byTime(a, b marker) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Label, b.Label)) }

// seconds is a point in time as the charts count it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
