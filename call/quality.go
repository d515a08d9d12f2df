package call

import (
	"cmp"
	"slices"
	"time"
)

// Aggregate is what the intervals of a call say about its quality, weighted by
// time (R is averaged, not MOS: R is the scale on which impairments add up).
type Aggregate struct {
	RFactor       float64 // mean R, 0..100
	MOS           float64 // of RFactor, 1..4.5
	MOSMin        float64 // lowest interval
	MOSP5         float64 // nearest rank by time
	MOSBelow35Pct float64 // share of time below 3.5, percent
	LongestBad    time.Duration
	Covered       time.Duration // time with an estimate
	Count         int           // intervals with an estimate
}

// badMOS is the score below which people are dissatisfied: the limit at which
// vendors' quality events warn.
const badMOS = 3.5

// AggregateIntervals sums up intervals in their order. Intervals without an R
// or without length are left out, and break a run of bad ones. It returns false
// where none is left.
func AggregateIntervals(intervals []Interval) (Aggregate, bool) {
	type weighted struct {
		w   time.Duration
		mos float64
	}
	var (
		a    Aggregate
		kept []weighted
		sumR float64
		bad  time.Duration
		run  time.Duration
	)
	for _, iv := range intervals {
		w := iv.Duration()
		if iv.RFactor == nil || w <= 0 {
			run = 0
			continue
		}
		mos := mosOf(*iv.RFactor)
		kept = append(kept, weighted{w, mos})
		sumR += w.Seconds() * *iv.RFactor
		a.Covered += w
		if mos >= badMOS {
			run = 0
			continue
		}
		bad += w
		run += w
		a.LongestBad = max(a.LongestBad, run)
	}
	if len(kept) == 0 {
		return Aggregate{}, false
	}
	a.Count = len(kept)
	a.RFactor = sumR / a.Covered.Seconds()
	a.MOS = mosOf(a.RFactor)
	a.MOSBelow35Pct = 100 * bad.Seconds() / a.Covered.Seconds()

	slices.SortStableFunc(kept, func(x, y weighted) int { return cmp.Compare(x.mos, y.mos) })
	a.MOSMin = kept[0].mos
	var seen time.Duration
	for _, k := range kept {
		seen += k.w
		if seen.Seconds() >= 0.05*a.Covered.Seconds()-1e-12 {
			a.MOSP5 = k.mos
			break
		}
	}
	return a, true
}

// mosOf is ITU-T G.107 Annex B with R clamped before and MOS floored at 1. It
// is here beside emodel.MOS because this package imports nothing of ours; a
// test holds the two together.
func mosOf(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	default:
		return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
	}
}
