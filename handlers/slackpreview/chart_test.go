package slackpreview

import (
	"math"
	"testing"
)

func TestDraw(t *testing.T) {
	names := []string{"a", "b", "c"}
	for name, c := range map[string]struct {
		chart       *Chart
		line        string
		first, last string // labels of the horizontal lines
	}{
		"rising":       {&Chart{Categories: names, Series: [][]float64{{0, 5, 10}}}, "44.0,126.0 258.0,68.0 472.0,10.0", "0", "10"},
		"level":        {&Chart{Categories: names, Series: [][]float64{{3, 3, 3}}}, "44.0,126.0 258.0,126.0 472.0,126.0", "3", "4"},
		"below zero":   {&Chart{Categories: names[:2], Series: [][]float64{{-1, 1}}}, "44.0,126.0 472.0,10.0", "-1", "1"},
		"one value":    {&Chart{Categories: names[:1], Series: [][]float64{{0.25}}}, "258.0,97.0", "0", "1"},
		"too many":     {&Chart{Categories: names[:1], Series: [][]float64{{1, 2}}}, "258.0,126.0", "1", "2"},
		"tiny":         {&Chart{Categories: names[:2], Series: [][]float64{{0, 0.0003}}}, "44.0,126.0 472.0,10.0", "0", "0.0003"},
		"with a unit":  {&Chart{Categories: names[:2], YLabel: "%", Series: [][]float64{{0, 100}}}, "44.0,126.0 472.0,10.0", "0 %", "100 %"},
		"none":         {nil, "", "", ""},
		"no category":  {&Chart{Series: [][]float64{{1}}}, "", "", ""},
		"no value":     {&Chart{Categories: names, Series: [][]float64{{}}}, "", "", ""},
		"not a number": {&Chart{Categories: names[:1], Series: [][]float64{{math.NaN()}}}, "", "", ""},
		"endless":      {&Chart{Categories: names[:2], Series: [][]float64{{1, math.Inf(1)}}}, "", "", ""},
		"beyond all":   {&Chart{Categories: names[:2], Series: [][]float64{{1, 1e300}}}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := draw(c.chart)
			if d == nil {
				if c.line != "" {
					t.Fatal("not drawn")
				}
				return
			}
			if len(d.Lines) != 1 || d.Lines[0] != c.line {
				t.Errorf("line %q, want %q", d.Lines, c.line)
			}
			if n := len(d.Grid); n < 2 || n > 7 || d.Grid[0].Label != c.first || d.Grid[n-1].Label != c.last {
				t.Errorf("grid %+v, want %s to %s", d.Grid, c.first, c.last)
			}
		})
	}
}
