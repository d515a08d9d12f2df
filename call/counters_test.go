package call

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	type vector struct {
		Name    string
		Samples []Reading
		Deltas  []struct {
			PacketsReceived, PacketsLostSigned, PacketsLost int64
			CounterReset                                    bool
		}
		Totals struct {
			PacketsReceived, PacketsLost int64
			Resets                       int
		}
	}
	for _, v := range vectors[vector](t, "counter_vectors.json", 4) {
		t.Run(v.Name, func(t *testing.T) {
			var tally Tally
			for i, sample := range v.Samples {
				diff, reset := tally.Add(sample)
				want := v.Deltas[i]
				if *diff.PacketsReceived != want.PacketsReceived || *diff.PacketsLost != want.PacketsLostSigned ||
					*Clamped(diff.PacketsLost) != want.PacketsLost || reset != want.CounterReset {
					t.Errorf("sample %d: received %d lost %d reset %v, want %+v", i, *diff.PacketsReceived, *diff.PacketsLost, reset, want)
				}
			}
			sum := tally.Sum()
			if *sum.PacketsReceived != v.Totals.PacketsReceived || *Clamped(sum.PacketsLost) != v.Totals.PacketsLost || tally.Resets != v.Totals.Resets {
				t.Errorf("received %d lost %d resets %d, want %+v", *sum.PacketsReceived, *sum.PacketsLost, tally.Resets, v.Totals)
			}
			if d := cmp.Diff(v.Samples[len(v.Samples)-1], tally.Last()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTallyGap(t *testing.T) {
	var tally Tally
	tally.Add(Reading{PacketsReceived: new(int64(100)), BytesReceived: new(int64(16000))})
	diff, _ := tally.Add(Reading{BytesReceived: new(int64(32000))})
	if diff.PacketsReceived != nil {
		t.Errorf("an absent counter became %d", *diff.PacketsReceived)
	}
	diff, reset := tally.Add(Reading{PacketsReceived: new(int64(300)), BytesReceived: new(int64(48000))})
	if *diff.PacketsReceived != 200 || reset {
		t.Errorf("after a gap: %d, reset %v, want 200", *diff.PacketsReceived, reset)
	}
	if diff, reset = tally.Add(Reading{BytesReceived: new(int64(160)), PacketsReceived: new(int64(301))}); !reset || *diff.PacketsReceived != 301 {
		t.Errorf("bytes fell: %d, reset %v, want 301 from zero", *diff.PacketsReceived, reset)
	}
}

func TestLossPct(t *testing.T) {
	for _, c := range []struct{ received, lost, want *int64 }{
		{new(int64(99)), new(int64(1)), new(int64(1))},
		{new(int64(0)), new(int64(500)), new(int64(100))},
		{new(int64(10)), new(int64(-3)), new(int64(0))},
		{new(int64(0)), new(int64(0)), nil},
		{nil, new(int64(1)), nil},
		{new(int64(1)), nil, nil},
	} {
		got := LossPct(c.received, c.lost)
		if (got == nil) != (c.want == nil) || got != nil && *got != float64(*c.want) {
			t.Errorf("LossPct(%v, %v) = %v", c.received, c.lost, got)
		}
	}
}

func TestClamped(t *testing.T) {
	if Clamped(nil) != nil || *Clamped(new(int64(-7))) != 0 || *Clamped(new(int64(7))) != 7 {
		t.Error("want absent, 0 and 7")
	}
}
