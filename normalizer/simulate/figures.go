package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// PacketRate is the number of audio packets a second, one every 20 ms.
const PacketRate = 50

// Figures are what a media server of the FreeSWITCH family counts of one leg.
type Figures struct {
	Received, Sent, Skipped, lost, Flaws int64
	Mos, Quality, LossRate, Burst        float64
	MinVariance, MaxVariance             float64 // ms^2
	RemoteLost                           int64
}

// Figures are the counts at the end of the call, nil for one without media.
func (s *Call) Figures() *Figures {
	expected := int64(s.TalkTime().Seconds() * PacketRate)
	if expected == 0 {
		return nil
	}
	f := &Figures{Sent: expected - s.Int64N(40), Quality: 100, Mos: 4.5}
	if s.Fault == OneWay {
		f.Skipped = expected
		return f // a stream without packets scores best
	}
	f.lost = int64(math.Round(float64(expected) * s.Path.LossPct / 100))
	f.Received = expected - f.lost
	f.Skipped = s.Int64N(20)
	f.LossRate = Round(float64(f.lost)/float64(f.Received), 2)
	f.Flaws = 3 * f.lost // a scattered lost packet counts about three
	f.Quality = math.Trunc(100 - 3*s.Path.LossPct)
	f.Mos = Round(mosOf(f.Quality), 2)
	f.MinVariance = Round(s.Between(0.2, 0.9), 2)
	f.MaxVariance = Round(s.Path.JitterMs*s.Path.JitterMs*2, 2)
	if f.lost > 0 {
		f.Burst = Round(s.Between(1, 1.1), 2)
	}
	f.RemoteLost = f.lost / 4
	return f
}

// mosOf is the polynomial of ITU-T G.107 that turns a rating 0..100 into a MOS.
func mosOf(r float64) float64 { return 1 + 0.035*r + 0.000007*r*(r-60)*(100-r) }

func Itoa[T int | int64](v T) string { return strconv.FormatInt(int64(v), 10) }

func Decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

func Decimal6(v float64) string { return strings.TrimRight(fmt.Sprintf("%.6f", v), "0") }
