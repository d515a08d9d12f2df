// Package chart draws figures: it turns facts of calls and incidents into paths, places
// and labels that a template puts into a page. It keeps no state and asks nobody.
package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	sparkWidth  = 120
	sparkHeight = 28
)

// Sparkline is the path of a small chart of values at equal steps. Unknown values
// leave a gap. "" where fewer than two are known.
func Sparkline(values []*float64) string {
	low, high, known := math.Inf(1), math.Inf(-1), 0
	for _, v := range values {
		if v != nil {
			low, high = min(low, *v), max(high, *v)
			known++
		}
	}
	if known < 2 {
		return ""
	}
	if high-low < 1e-9 {
		low, high = low-1, high+1
	}
	var d strings.Builder
	step := float64(sparkWidth-4) / float64(max(1, len(values)-1))
	drawing := false
	for i, v := range values {
		if v == nil {
			drawing = false
			continue
		}
		x, y := 2+float64(i)*step, float64(sparkHeight-3)-(*v-low)/(high-low)*float64(sparkHeight-6)
		if drawing {
			d.WriteString("L" + short(x) + " " + short(y))
		} else {
			d.WriteString("M" + short(x) + " " + short(y) + "h.01") // a dot where it is alone
		}
		drawing = true
	}
	return d.String()
}

func short(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// Plot is a line over time as a drawing, with limits and moments marked in it.
type Plot struct {
	Width, Height int
	Path          string
	Dots          []dot
	Lines         []plotLine // limits
	Marks         []plotMark // moments
	Ticks         []tick     // of the time
	Scale         []tick     // of the values: X is the height
	Low, High     string     // of the values
}

type dot struct{ X, Y, Text string }

// plotLine is a limit, with the place of its label.
type plotLine struct{ Y, LabelY, Text, Class string }

// plotMark is a moment, with the side of it that its label is on.
type plotMark struct{ X, Text, Anchor, LabelX string }

type tick struct{ X, Text string }

// Sample is one value at a time.
type Sample struct {
	At    time.Time
	Value float64
}

// Limit is a limit that a figure is compared with.
type Limit struct {
	Value       float64
	Text, Class string
}

// Moment is something that happened at a time.
type Moment struct {
	At   time.Time
	Text string
}

const (
	plotWidth, plotHeight = 720, 190
	plotLeft, plotRight   = 52, 12
	plotTop, plotBottom   = 16, 24
)

// NewPlot draws values, oldest first. nil where there are fewer than two.
func NewPlot(values []Sample, limits []Limit, moments []Moment, label func(float64) string) *Plot {
	if len(values) < 2 || !values[0].At.Before(values[len(values)-1].At) {
		return nil
	}
	from, to := values[0].At, values[len(values)-1].At
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v.Value), max(high, v.Value)
	}
	p := &Plot{Width: plotWidth, Height: plotHeight, Low: label(low), High: label(high)}
	for _, l := range limits {
		low, high = min(low, l.Value), max(high, l.Value)
	}
	for _, m := range moments {
		if m.At.After(to) {
			to = m.At
		}
		if m.At.Before(from) {
			from = m.At
		}
	}
	if low > 0 && low < high/2 {
		low = 0
	}
	if high-low < 1e-9 {
		low, high = low-1, high+1
	}
	high += (high - low) * 0.06
	x := func(t time.Time) float64 {
		return plotLeft + float64(t.Sub(from))/float64(to.Sub(from))*(plotWidth-plotLeft-plotRight)
	}
	y := func(v float64) float64 {
		return plotHeight - plotBottom - (v-low)/(high-low)*(plotHeight-plotTop-plotBottom)
	}
	var d strings.Builder
	for i, v := range values {
		command := "L"
		if i == 0 {
			command = "M"
		}
		d.WriteString(command + short(x(v.At)) + " " + short(y(v.Value)))
		p.Dots = append(p.Dots, dot{short(x(v.At)), short(y(v.Value)), v.At.UTC().Format(time.DateTime) + ": " + label(v.Value)})
	}
	p.Path = d.String()
	last := math.Inf(-1)
	for _, l := range limits {
		at := y(l.Value)
		place := at - 4
		if math.Abs(place-last) < 12 { // of the label before
			place = at + 12
		}
		last = place
		p.Lines = append(p.Lines, plotLine{short(at), short(place), l.Text, l.Class})
	}
	for _, m := range moments {
		at, anchor, side := x(m.At), "start", 4.0
		if at > plotWidth*3/4 {
			anchor, side = "end", -4
		}
		p.Marks = append(p.Marks, plotMark{short(at), m.Text, anchor, short(at + side)})
	}
	for i := range 3 {
		v := low + (high-low)*float64(i)/2
		p.Scale = append(p.Scale, tick{short(y(v)), label(v)})
	}
	for i := range 5 {
		t := from.Add(to.Sub(from) * time.Duration(i) / 4)
		layout := "15:04:05"
		if to.Sub(from) > 24*time.Hour {
			layout = "01-02 15:04"
		}
		p.Ticks = append(p.Ticks, tick{short(x(t)), t.UTC().Format(layout)})
	}
	return p
}
