package figures

import (
	"cmp"
	"strconv"

	"callwatch/handlers/backend"
	"callwatch/handlers/wording"
)

// Contrast is how the calls of an incident differ from the others.
type Contrast struct {
	Bad, Good string // numbers of calls
	Figures   []contrastFigure
	Lifts     []liftView
	Building  bool // calls may be missing
}

// contrastFigure is one figure of both sides.
type contrastFigure struct{ Name, Bad, Good string }

type liftView struct {
	Dimension, Value  string
	Bad, All          string
	BadBar, AllBar    int // width in percent
	Times             string
	BadCalls, AllText string
}

const maxLifts = 8

// ContrastOf shows what the read model found.
func ContrastOf(found *backend.Contrast) *Contrast {
	c := Contrast{Building: found.Building, Bad: wording.Amount(found.BadCalls), Good: wording.Amount(found.GoodCalls)}
	number := func(name string, of func(f *backend.Figures) *float64, decimals int, unit string) {
		bad, good := wording.Decimals(of(&found.Bad), decimals, unit), wording.Decimals(of(&found.Good), decimals, unit)
		if bad != "" || good != "" {
			c.Figures = append(c.Figures, contrastFigure{name, bad, good})
		}
	}
	number("MOS median", func(f *backend.Figures) *float64 { return f.MOS.Median }, 2, "")
	number("Packet loss p95", func(f *backend.Figures) *float64 { return f.LossPct.P95 }, 1, " %")
	number("Jitter p95", func(f *backend.Figures) *float64 { return f.JitterMs.P95 }, 0, " ms")
	number("Turn time p95", func(f *backend.Figures) *float64 { return f.TurnMs.P95 }, 0, " ms")
	number("Duration median", func(f *backend.Figures) *float64 { return f.Duration.Median }, 0, " s")
	if bad, good := share(found.Bad.Answered), share(found.Good.Answered); bad != "" || good != "" {
		c.Figures = append(c.Figures, contrastFigure{"Answered", bad, good})
	}
	for _, d := range found.Differences[:min(maxLifts, len(found.Differences))] {
		l := liftView{
			Dimension: d.Dimension, Value: cmp.Or(d.Value, "unknown"), Bad: wording.Percent(d.Bad), All: wording.Percent(d.All),
			BadBar: percentBar(d.Bad), AllBar: percentBar(d.All),
		}
		if d.All > 0 && d.Bad > 0 {
			l.Times = strconv.FormatFloat(d.Bad/d.All, 'f', 1, 64) + "×"
		}
		c.Lifts = append(c.Lifts, l)
	}
	return &c
}

func percentBar(share float64) int { return min(100, max(0, int(share*100+0.5))) }
