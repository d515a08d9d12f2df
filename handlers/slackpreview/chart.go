package slackpreview

import (
	"math"
	"strconv"
	"strings"

	"callwatch/handlers/wording"
)

// The drawing's size and the space around the lines, in its own units.
const (
	chartWide, chartHigh = 480.0, 150.0
	chartLeft, chartTop  = 44.0, 10.0
	chartRight, chartLow = 8.0, 24.0
)

// drawing is a line chart as SVG shows it.
type drawing struct {
	Spoken string // all of it in words
	Lines  []string
	Dots   []dot
	Grid   []gridline // horizontal, with their values
	Ticks  []tick     // below the chart
}

type dot struct{ X, Y string }

type gridline struct{ Y, Label string }

type tick struct{ X, Anchor, Label string }

// draw places a chart; nil where there is nothing that can be drawn.
func draw(c *Chart) *drawing {
	if c == nil || len(c.Categories) == 0 {
		return nil
	}
	low, high, ok := extent(c)
	if !ok {
		return nil
	}
	step := niceStep(high - low)
	low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
	if high <= low {
		high = low + step
	}
	n := len(c.Categories)
	x := func(i int) float64 {
		if n == 1 {
			return (chartLeft + chartWide - chartRight) / 2
		}
		return chartLeft + float64(i)*(chartWide-chartLeft-chartRight)/float64(n-1)
	}
	y := func(v float64) float64 { return chartTop + (high-v)/(high-low)*(chartHigh-chartTop-chartLow) }

	d := &drawing{Spoken: spoken(c)}
	for _, values := range c.Series {
		var points []string
		for i, v := range values[:min(n, len(values))] {
			points = append(points, place(x(i))+","+place(y(v)))
			d.Dots = append(d.Dots, dot{place(x(i)), place(y(v))})
		}
		d.Lines = append(d.Lines, strings.Join(points, " "))
	}
	for i := 0.0; low+i*step <= high+step/2; i++ {
		d.Grid = append(d.Grid, gridline{place(y(low + i*step)), amount(low+i*step) + unitAfter(c.YLabel)})
	}
	d.Ticks = ticks(c.Categories, x)
	return d
}

// ticks name the first, the middle and the last place.
func ticks(categories []string, x func(int) float64) []tick {
	last := len(categories) - 1
	ts := []tick{{place(x(0)), "start", categories[0]}}
	if last > 1 {
		ts = append(ts, tick{place(x(last / 2)), "middle", categories[last/2]})
	}
	if last > 0 {
		ts = append(ts, tick{place(x(last)), "end", categories[last]})
	}
	return ts
}

// extent is the least and the largest value; ok is false for a chart that holds
// none, or one that is no number.
func extent(c *Chart) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, values := range c.Series {
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
	}
	const most = 1e15 // what can be placed without rounding into one point
	return low, high, low <= high && math.Abs(low) < most && math.Abs(high) < most
}

// niceStep is 1, 2 or 5 times a power of ten: about three of them make a span.
func niceStep(span float64) float64 {
	if span <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(span/3)))
	for _, m := range [...]float64{1, 2, 5} {
		if span/(m*power) <= 4 {
			return m * power
		}
	}
	return 10 * power
}

// spoken is a chart in words, for readers who do not see it.
func spoken(c *Chart) string {
	var b strings.Builder
	b.WriteString("Line chart. " + c.Title + ".")
	for _, values := range c.Series {
		for i, v := range values[:min(len(values), len(c.Categories))] {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(" " + c.Categories[i] + ": " + amount(v) + unitAfter(c.YLabel))
		}
		b.WriteString(".")
	}
	if c.XLabel != "" {
		b.WriteString(" " + c.XLabel + ".")
	}
	return b.String()
}

// unitAfter is a short axis label, such as %, behind a number.
func unitAfter(label string) string {
	if label == "" || len(label) > 4 {
		return ""
	}
	return " " + label
}

func place(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func amount(v float64) string { return wording.Significant(math.Round(v*1e4)/1e4, 6) }
