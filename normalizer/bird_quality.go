package normalizer

import (
	"math"

	"callwatch/call"
)

// birdRuined is the loss rate from which on the score climbs back to perfect:
// the switch resets its flaw counter when flaws exceed received packets.
const birdRuined = 0.33

// birdQuality maps the CRM's figures, which are FreeSWITCH's of the inbound
// direction, and says whether anything was measured. Loss comes as a ratio with
// two decimals, so that packetsLost is an estimate; variances are ms squared.
func birdQuality(e *call.Event, m node) (measured bool) {
	if birdPlaceholder(m) {
		return false
	}
	e.PacketsReceived = m.at("inMediaPacketCount").or(m.at("inPacketCount")).count()
	e.PacketsSent = m.at("outMediaPacketCount").or(m.at("outPacketCount")).count()
	e.BytesReceived, e.BytesSent = m.at("inBytes").count(), m.at("outBytes").count()
	e.Codec = m.at("readCodecName").text()

	// Without a packet the switch reports a perfect score.
	acceptMOS(e, m.at("mos").positive(), e.PacketsReceived)
	if e.PacketsReceived != nil && *e.PacketsReceived == 0 {
		return true
	}
	rate := m.at("jitterLossRate").amount()
	if rate != nil && *rate >= birdRuined {
		e.MOS, e.MOSSource = nil, ""
	} else {
		e.QualityScore = m.at("qualityScore").amount()
	}
	if rate != nil {
		e.PacketLossPct = new(min(100, math.Round(*rate*1e8)/1e6))
		e.PacketsLost = birdLost(e.PacketsReceived, *rate, m.at("flawTotal").number())
	}
	e.JitterMaxMs = root(m.at("jitterMaxVar").positive())
	if b := m.at("jitterBurstRate").number(); b != nil && *b >= 1 {
		e.BurstRatio = b
	}
	return true
}

// birdPlaceholder says whether a block of figures holds nothing: a score of 0
// cannot be measured, it lies between 1.00 and 4.50, and all else is 0 as well.
func birdPlaceholder(m node) bool {
	mos := m.at("mos").number()
	members := m.object()
	for _, v := range members {
		if (node{v: v}).positive() != nil {
			return false
		}
	}
	return len(members) == 0 || mos != nil && *mos == 0
}

// birdLost estimates the packets lost from their share of those received. A
// rate that reads 0 beside flaws is below its resolution of a hundredth.
func birdLost(received *int64, rate float64, flaws *float64) *int64 {
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
