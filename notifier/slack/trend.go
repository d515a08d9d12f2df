package slack

import (
	"math"
	"strconv"

	"github.com/slack-go/slack"

	"callwatch/call"
	"callwatch/rules"
)

const (
	maxPoints = 20 // of a chart, Slack's limit
	maxTop    = 10 // rows of a table
	chartID   = "trend"
	tableID   = "top"
)

// valueLine shows the value of a window rule now, at worst and at opening, and how
// many calls of the window are known.
func (w *writer) valueLine(in *rules.Incident) markup {
	v := in.Values
	if v == nil {
		return ""
	}
	name := code(v.Name, 120)
	if in.Closed {
		return name + ": latest " + plain(v.LatestText()) + ", worst " + plain(v.WorstText())
	}
	if in.State == rules.Resolved {
		line := name + ": worst " + plain(v.WorstText())
		if v.Resolving != nil {
			line = name + ": back to " + plain(v.ResolvingText()) + ", worst " + plain(v.WorstText())
		}
		return line
	}
	line := name + ": now " + plain(v.LatestText()) + ", worst " + plain(v.WorstText()) + ", " + plain(v.OpeningText()) + " at opening"
	return joined("; ", line, plain(v.Coverage()))
}

// plain is a text of ours that holds numbers and words only.
func plain(s string) markup { return escaped(s, maxValue) }

// points are those of the trend that can be drawn, the latest twenty.
func points(in *rules.Incident) []rules.Point {
	var ps []rules.Point
	for _, p := range in.Trend {
		if !p.At.IsZero() && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			ps = append(ps, p)
		}
	}
	return ps[max(0, len(ps)-maxPoints):]
}

// sparkline draws the trend in eight heights; "" for less than two points. It
// takes the place of the chart where Slack refuses that.
func sparkline(in *rules.Incident) markup {
	ps := points(in)
	if len(ps) < 2 {
		return ""
	}
	least, most := ps[0].Value, ps[0].Value
	for _, p := range ps {
		least, most = min(least, p.Value), max(most, p.Value)
	}
	var bars []rune
	for _, p := range ps {
		height := 0
		if most > least {
			height = int((p.Value - least) / (most - least) * 7.999)
		}
		bars = append(bars, []rune("▁▂▃▄▅▆▇█")[min(max(height, 0), 7)])
	}
	return markup("`" + string(bars) + "`")
}

// chart draws the trend as a line; none for less than two points.
func chart(in *rules.Incident) []slack.Block {
	ps := points(in)
	if len(ps) < 2 || in.Values == nil {
		return nil
	}
	layout := "15:04"
	if ps[len(ps)-1].At.Sub(ps[0].At).Hours() >= 24 {
		layout = "Jan 2 15:04"
	}
	seen := map[string]int{}
	var categories []string
	var data []slack.DataVisualizationDataPoint
	for _, p := range ps {
		label := p.At.UTC().Format(layout)
		if seen[label]++; seen[label] > 1 { // Slack wants each label once
			label += " #" + strconv.Itoa(seen[label])
		}
		value := p.Value
		if in.Values.Share {
			value = math.Round(value*10000) / 100
		}
		categories = append(categories, label)
		data = append(data, slack.NewDataVisualizationDataPoint(label, value))
	}
	axis := slack.NewDataVisualizationAxisConfig(categories...).WithXLabel("Time in UTC")
	if in.Values.Share {
		axis = axis.WithYLabel("%")
	}
	line := slack.NewDataVisualizationLineChart(axis, slack.NewDataVisualizationDataSeries("value", data...))
	return []slack.Block{&slack.DataVisualizationBlock{
		Type: slack.MBTDataVisualization, BlockID: chartID, Title: "Value of the rule over time", Chart: line,
	}}
}

func escapedOr(s string, limit int, other markup) markup {
	if e := escaped(s, limit); e != "" {
		return e
	}
	return other
}

// table lists where most of the matching calls are.
func (w *writer) table(in *rules.Incident) []slack.Block {
	if len(in.Top) == 0 {
		return nil
	}
	t := slack.NewTableBlock(tableID).WithColumnSettings(
		slack.ColumnSetting{Align: slack.ColumnAlignmentLeft}, slack.ColumnSetting{Align: slack.ColumnAlignmentLeft, IsWrapped: true},
		slack.ColumnSetting{Align: slack.ColumnAlignmentRight}, slack.ColumnSetting{Align: slack.ColumnAlignmentRight})
	cell := func(m markup) slack.TableCell { return slack.NewTableRawTextCell(string(m)) }
	where := markup("Where")
	if in.TopOf > 0 { // unknown of incidents of earlier versions
		where = markup("Where, of the latest " + strconv.Itoa(in.TopOf) + " measured")
	}
	matched := markup("Matched")
	if not := counted(in); not != "" {
		matched = "Not " + escaped(not, 60)
	}
	t.AddRow(cell(where), cell("Value"), cell(matched), cell("Share"))
	for _, s := range in.Top[:min(len(in.Top), maxTop)] {
		name := escapedOr(s.Field, 60, "field")
		if f, ok := call.Lookup(s.Field); ok {
			name = label(f)
		}
		value := w.text(s.Value, in.Numbers(), 100)
		if s.Field == "from" || s.Field == "to" {
			value = w.number(s.Value)
		}
		if value == "" {
			value = "unknown"
		}
		share := markup("–")
		if s.Judged > 0 {
			share = number(100*float64(s.Matched)/float64(s.Judged), 1) + " %"
		}
		t.AddRow(cell(name), cell(value), cell(markup(strconv.Itoa(s.Matched)+" of "+strconv.Itoa(s.Judged))), cell(share))
	}
	return []slack.Block{t}
}
