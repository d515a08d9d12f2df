package simulate

import (
	"math"
	"strconv"
)

// packetRate is the number of audio packets a second, one every 20 ms.
const packetRate = 50

// figures are what a media server of the FreeSWITCH family counts of one leg.
type figures struct {
	received, sent, skipped, lost, flaws int64
	mos, quality, lossRate, burst        float64
	minVariance, maxVariance             float64 // ms^2
	remoteLost                           int64
}

// figures are the counts at the end of the call, nil for one without media.
func (s *story) figures() *figures {
	expected := int64(s.talkTime().Seconds() * packetRate)
	if expected == 0 {
		return nil
	}
	f := &figures{sent: expected - s.Int64N(40), quality: 100, mos: 4.5}
	if s.fault == oneWay {
		f.skipped = expected
		return f // a stream without packets scores best
	}
	f.lost = int64(math.Round(float64(expected) * s.path.lossPct / 100))
	f.received = expected - f.lost
	f.skipped = s.Int64N(20)
	f.lossRate = round(float64(f.lost)/float64(f.received), 2)
	f.flaws = 3 * f.lost // a scattered lost packet counts about three
	f.quality = math.Trunc(100 - 3*s.path.lossPct)
	f.mos = round(mosOf(f.quality), 2)
	f.minVariance = round(s.between(0.2, 0.9), 2)
	f.maxVariance = round(s.path.jitterMs*s.path.jitterMs*2, 2)
	if f.lost > 0 {
		f.burst = round(s.between(1, 1.1), 2)
	}
	f.remoteLost = f.lost / 4
	return f
}

// mosOf is the polynomial of ITU-T G.107 that turns a rating 0..100 into a MOS.
func mosOf(r float64) float64 { return 1 + 0.035*r + 0.000007*r*(r-60)*(100-r) }

func text[T int | int64](v T) string { return strconv.FormatInt(int64(v), 10) }

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
