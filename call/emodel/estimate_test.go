package emodel

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestEstimatorVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/estimator_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Name   string
		Input  Input
		Expect struct {
			MOS            float64
			MOSEstimate    float64
			RFactor        float64
			MOSScope       string
			MOSGrounding   string
			MOSMissing     []string
			CodecRow       string
			PplPct         float64
			LossBasis      string
			OneWayDelayMs  *float64
			DelayBasis     string
			BurstRatioUsed float64
		}
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 16 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			x := v.Expect
			want := Estimate{
				MOS: x.MOSEstimate, RFactor: x.RFactor, Scope: x.MOSScope, Grounding: x.MOSGrounding,
				Missing: x.MOSMissing, CodecRow: x.CodecRow, LossPct: x.PplPct, LossBasis: x.LossBasis,
				OneWayDelayMs: x.OneWayDelayMs, DelayBasis: x.DelayBasis, BurstRatioUsed: x.BurstRatioUsed,
			}
			got, ok := (Table{}).Estimate(v.Input)
			if !ok {
				t.Fatal("no estimate")
			}
			if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, tolerance), cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLoss(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    Input
		pct   float64
		basis string // "" for none
	}{
		{"concealment before packets", Input{
			TotalSamplesReceived: new(int64(1000)), ConcealedSamples: new(int64(50)), SilentConcealedSamples: new(int64(20)),
			PacketsReceived: new(int64(100)), PacketsLost: new(int64(50)),
		}, 3, Concealment},
		{"silent samples unknown", Input{TotalSamplesReceived: new(int64(1000)), ConcealedSamples: new(int64(50))}, 5, Concealment},
		{"more silent than concealed", Input{
			TotalSamplesReceived: new(int64(1000)), ConcealedSamples: new(int64(5)), SilentConcealedSamples: new(int64(20)),
		}, 0, Concealment},
		{"no samples yet", Input{
			TotalSamplesReceived: new(int64(0)), ConcealedSamples: new(int64(0)),
			PacketsReceived: new(int64(90)), PacketsLost: new(int64(10)),
		}, 10, Network},
		{"share given", Input{ConcealedPct: new(4.0), PacketsReceived: new(int64(90)), PacketsLost: new(int64(10))}, 4, Concealment},
		{"share beyond all", Input{ConcealedPct: new(400.0)}, 100, Concealment},
		{"share unreadable", Input{ConcealedPct: new(math.NaN()), PacketsReceived: new(int64(90)), PacketsLost: new(int64(10))}, 10, Network},
		{"discarded counts as lost", Input{
			PacketsReceived: new(int64(90)), PacketsLost: new(int64(10)), PacketsDiscarded: new(int64(5)),
		}, 15, Network},
		{"more discarded than expected", Input{
			PacketsReceived: new(int64(10)), PacketsLost: new(int64(0)), PacketsDiscarded: new(int64(50)),
		}, 100, Network},
		{"lost unknown", Input{PacketsReceived: new(int64(90))}, 0, ""},
		{"received unknown", Input{PacketsLost: new(int64(90))}, 0, ""},
		{"nothing expected", Input{PacketsReceived: new(int64(0)), PacketsLost: new(int64(-3))}, 0, ""},
		{"nothing", Input{}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := (Table{}).Estimate(c.in)
			if ok != (c.basis != "") || got.LossBasis != c.basis || got.LossPct != c.pct {
				t.Errorf("loss %v %q, want %v %q", got.LossPct, got.LossBasis, c.pct, c.basis)
			}
		})
	}
}

func TestMissingWithoutEstimate(t *testing.T) {
	got, ok := (Table{}).Estimate(Input{})
	want := Estimate{Missing: []string{"packetsReceived", "packetsLost", "codec", "rttMs", "jitterMs"}}
	if d := cmp.Diff(want, got); ok || d != "" {
		t.Error(ok, d)
	}
	got, _ = (Table{}).Estimate(Input{PacketsReceived: new(int64(7)), Codec: "PCMU", JitterBufferMs: new(60.0)})
	if d := cmp.Diff([]string{"packetsLost", "rttMs"}, got.Missing); d != "" {
		t.Error(d)
	}
}

func TestUnusableTimesAreAbsent(t *testing.T) {
	clean := Input{PacketsReceived: new(int64(1000)), PacketsLost: new(int64(0)), Codec: "PCMU"}
	want, _ := (Table{}).Estimate(clean)
	for _, v := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		in := clean
		in.RTTMs, in.JitterMs, in.JitterBufferMs, in.BurstRatio, in.ExtraDelayMs = &v, &v, &v, new(math.NaN()), v
		got, _ := (Table{}).Estimate(in)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: %s", v, d)
		}
	}
}

func TestDelayParts(t *testing.T) {
	in := Input{
		PacketsReceived: new(int64(1000)), PacketsLost: new(int64(0)), Codec: "g723.1",
		RTTMs: new(100.0), JitterMs: new(5.0), PtimeMs: new(60.0), ExtraDelayMs: 12,
	}
	got, _ := (Table{}).Estimate(in)
	if want := 50 + 60 + 7.5 + 60 + 12; got.OneWayDelayMs == nil || *got.OneWayDelayMs != want {
		t.Errorf("one-way delay %v, want %v", got.OneWayDelayMs, want)
	}
}

func TestBurstRatioBounds(t *testing.T) {
	for _, c := range []struct{ lossPct, ratio, want float64 }{
		{1.99, 5, 5}, {1.99, 9, 8}, {2, 5, 2}, {10, 1.5, 1.5}, {10, 0.2, 1},
	} {
		got, _ := (Table{}).Estimate(Input{ConcealedPct: &c.lossPct, BurstRatio: &c.ratio})
		if got.BurstRatioUsed != c.want {
			t.Errorf("loss %v ratio %v: used %v, want %v", c.lossPct, c.ratio, got.BurstRatioUsed, c.want)
		}
	}
}

func TestNoMedia(t *testing.T) {
	silent := Input{PacketsReceived: new(int64(0)), AnsweredSec: new(5.0)}
	for _, c := range []struct {
		name   string
		change func(*Input)
		want   bool
	}{
		{"answered and nothing came", func(*Input) {}, true},
		{"counted with lost 0", func(in *Input) { in.PacketsLost = new(int64(0)) }, true},
		{"other counters are 0 too", func(in *Input) { in.BytesReceived, in.JitterBufferPackets = new(int64(0)), new(int64(0)) }, true},
		{"received unknown", func(in *Input) { in.PacketsReceived = nil }, false},
		{"received", func(in *Input) { in.PacketsReceived = new(int64(1)) }, false},
		{"bytes came", func(in *Input) { in.BytesReceived = new(int64(160)) }, false},
		{"jitter buffer had packets", func(in *Input) { in.JitterBufferPackets = new(int64(4490)) }, false},
		{"too short", func(in *Input) { in.AnsweredSec = new(4.9) }, false},
		{"answer time unknown", func(in *Input) { in.AnsweredSec = nil }, false},
		{"held", func(in *Input) { in.Held = true }, false},
		{"loss was counted", func(in *Input) { in.PacketsLost = new(int64(500)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := silent
			c.change(&in)
			if got := in.NoMedia(); got != c.want {
				t.Errorf("NoMedia() = %v", got)
			}
		})
	}
}

func TestIntervalsJoin(t *testing.T) {
	iv := func(received, lost int64, jitter float64) Input {
		return Input{PacketsReceived: &received, PacketsLost: &lost, JitterMs: &jitter, RTTMs: new(60.0), Codec: "PCMU"}
	}
	ins := []Input{
		iv(250, 0, 5),  // alone
		iv(50, 0, 10),  // joined ...
		{},             // tells nothing
		iv(40, 10, 30), // ... to N = 100
		{ConcealedPct: new(4.0), Codec: "PCMU"},
		iv(99, 0, 5), // a rest
	}
	got := (Table{}).Intervals(ins)
	if len(got) != len(ins) || got[2] != nil || got[5] != nil {
		t.Fatalf("estimates %v", got)
	}
	if got[1] != got[3] || got[1] == nil {
		t.Fatal("members of a group have different ratings")
	}
	want, _ := (Table{}).Estimate(iv(90, 10, 20))
	if d := cmp.Diff(&want, got[1]); d != "" {
		t.Error(d)
	}
	if got[0].LossPct != 0 || got[4].LossPct != 4 {
		t.Errorf("loss %v and %v, want 0 and 4", got[0].LossPct, got[4].LossPct)
	}
}

// An interval that is alone is rated as Estimate rates it, whatever codec the
// one before had.
func TestIntervalsOfSeveralCodecs(t *testing.T) {
	table, err := NewTable(map[string]Codec{"own": {Ie: 7, Bpl: 12, PtimeMs: 30, LookaheadMs: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var ins []Input
	for _, codec := range []string{"PCMU", "own", "OWN", "", "audio/opus", "PCMU"} {
		for _, rtt := range []*float64{nil, new(60.0), new(500.0)} {
			ins = append(ins, Input{PacketsReceived: new(int64(240)), PacketsLost: new(int64(10)), RTTMs: rtt, Codec: codec})
		}
	}
	for i, got := range table.Intervals(ins) {
		want, _ := table.Estimate(ins[i])
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s: %s", ins[i].Codec, d)
		}
	}
}

func TestEstimateHolds(t *testing.T) {
	const rises = 1e-9 // what rounding may add to R
	rapid.Check(t, func(rt *rapid.T) {
		in := drawInput(rt)
		e, ok := (Table{}).Estimate(in)
		if !ok {
			return
		}
		if !(e.MOS >= 1 && e.MOS <= 4.5) || !(e.RFactor >= 0 && e.RFactor <= 100) || !(e.LossPct >= 0 && e.LossPct <= 100) {
			rt.Fatalf("out of range: %+v", e)
		}
		_, c := (Table{}).Codec(in.Codec)
		p := monitored(rapid.Float64Range(1, 3000).Draw(rt, "Ta")) // below 1 ms TERV has a bump
		p.Ie, p.Bpl = c.Ie, c.Bpl
		p.Ppl, p.BurstR = rapid.Float64Range(0, 100).Draw(rt, "Ppl"), rapid.Float64Range(1, 2).Draw(rt, "BurstR")
		more := p
		more.Ppl = rapid.Float64Range(p.Ppl, 100).Draw(rt, "more Ppl")
		if more.R() > p.R()+rises {
			rt.Fatalf("R rises from %v to %v with loss %v to %v", p.R(), more.R(), p.Ppl, more.Ppl)
		}
		later := p
		later.Ta = rapid.Float64Range(p.Ta, 6000).Draw(rt, "more Ta")
		later.T, later.Tr = later.Ta, 2*later.Ta
		if later.R() > p.R()+rises {
			rt.Fatalf("R rises from %v to %v with delay %v to %v", p.R(), later.R(), p.Ta, later.Ta)
		}
	})
}

// drawInput gives any input, hostile ones too.
func drawInput(rt *rapid.T) Input {
	count := func(name string) *int64 { return rapid.Ptr(rapid.Int64(), true).Draw(rt, name) }
	ms := func(name string) *float64 { return rapid.Ptr(rapid.Float64(), true).Draw(rt, name) }
	return Input{
		PacketsReceived: count("received"), PacketsLost: count("lost"), PacketsDiscarded: count("discarded"),
		TotalSamplesReceived: count("samples"), ConcealedSamples: count("concealed"), SilentConcealedSamples: count("silent"),
		ConcealedPct: ms("concealedPct"), Codec: rapid.SampledFrom([]string{"", "pcmu", "opus", "g729", "x"}).Draw(rt, "codec"),
		PtimeMs: ms("ptime"), JitterMs: ms("jitter"), RTTMs: ms("rtt"), JitterBufferMs: ms("buffer"),
		BurstRatio: ms("burst"), ExtraDelayMs: rapid.Float64().Draw(rt, "extra"),
	}
}
