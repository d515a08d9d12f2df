package bird

import (
	"math"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/lenient"
)

// ruined is the loss rate from which on the score climbs back to perfect:
// the switch resets its flaw counter when flaws exceed received packets.
const ruined = 0.33

// quality maps the CRM's figures, which are FreeSWITCH's of the inbound
// direction, and says whether anything was measured. Loss comes as a ratio with
// two decimals, so that packetsLost is an estimate; variances are ms squared.
func quality(e *call.Event, m lenient.Node) (measured bool) {
	if placeholder(m) {
		return false
	}
	e.PacketsReceived = m.At("inMediaPacketCount").Or(m.At("inPacketCount")).Count()
	e.PacketsSent = m.At("outMediaPacketCount").Or(m.At("outPacketCount")).Count()
	e.BytesReceived, e.BytesSent = m.At("inBytes").Count(), m.At("outBytes").Count()
	e.Codec = m.At("readCodecName").Text()

	// Without a packet the switch reports a perfect score.
	normalizer.AcceptMOS(e, m.At("mos").Positive(), e.PacketsReceived)
	if e.PacketsReceived != nil && *e.PacketsReceived == 0 {
		if e.BytesReceived != nil && *e.BytesReceived > 0 && !m.At("inMediaPacketCount").IsNull() {
			e.BytesReceived = nil // of tones (DTMF), which are no media
		}
		return true
	}
	rate := m.At("jitterLossRate").Amount()
	if rate != nil && *rate >= ruined {
		e.MOS, e.MOSSource = nil, ""
	} else {
		e.QualityScore = m.At("qualityScore").Amount()
	}
	if rate != nil {
		e.PacketLossPct = new(min(100, math.Round(*rate*1e8)/1e6))
		e.PacketsLost = lost(e.PacketsReceived, *rate, m.At("flawTotal").Number())
	}
	e.JitterMaxMs = normalizer.StandardDeviation(m.At("jitterMaxVar").Positive())
	if b := m.At("jitterBurstRate").Number(); b != nil && *b >= 1 {
		e.BurstRatio = b
	}
	return true
}

// placeholder says whether a block of figures holds nothing: a score of 0
// cannot be measured, it lies between 1.00 and 4.50, and all else is 0 as well.
func placeholder(m lenient.Node) bool {
	mos := m.At("mos").Number()
	members := m.Object()
	for _, v := range members {
		if lenient.Of(v).Positive() != nil {
			return false
		}
	}
	return len(members) == 0 || mos != nil && *mos == 0
}

// lost estimates the packets lost from their share of those received. A
// rate that reads 0 beside flaws is below its resolution of a hundredth.
func lost(received *int64, rate float64, flaws *float64) *int64 {
	switch {
	case received == nil:
		return nil
	case rate > 0:
		return new(int64(math.Round(min(rate*float64(*received), 1<<53))))
	case flaws != nil && *flaws == 0:
		return new(int64(0))
	default:
		return nil
	}
}
