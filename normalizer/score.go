package normalizer

import (
	"math"

	"callwatch/call"
)

// AcceptMOS takes the provider's score: as mosProvider whatever it is, and as
// the MOS of the call where it lies in 1..5 and some packet was received. The
// counters are all that the provider's statistics have for received packets:
// one that is unknown speaks neither way.
func AcceptMOS(e *call.Event, mos *float64, received ...*int64) {
	e.MOSProvider = mos
	if mos == nil || *mos < 1 || *mos > 5 {
		return
	}
	silent := len(received) > 0
	for _, n := range received {
		silent = silent && n != nil && *n == 0
	}
	if !silent {
		e.MOS, e.MOSSource = mos, call.FromProvider
	}
}

// StandardDeviation is the standard deviation of a variance: FreeSWITCH reports packet
// spacing in ms^2.
func StandardDeviation(variance *float64) *float64 {
	if variance == nil || *variance < 0 {
		return nil
	}
	return new(math.Sqrt(*variance))
}

// QualitySettled says whether nothing more can be expected of an ended call: its
// quality is known, or it never had any because nobody answered.
func QualitySettled(e *call.Event) bool {
	switch e.Status {
	case call.Busy, call.NoAnswer, call.Canceled, call.Failed:
		return true
	}
	return e.MOSProvider != nil || e.PacketsReceived != nil
}
