package call

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// vectors reads cases from testdata, and fails when there are fewer than n.
func vectors[T any](t *testing.T, name string, n int) []T {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v []T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v) != n {
		t.Fatalf("%s has %d cases, want %d", name, len(v), n)
	}
	return v
}

func TestAggregateIntervals(t *testing.T) {
	type vector struct {
		Name      string
		Intervals []struct {
			DurationMs int64
			RFactor    *float64
		}
		Expect *struct {
			RFactor, MOSEstimate, MOSMin, MOSP5, MOSBelow35Pct float64
			LongestBadMs, CoveredMs                            int64
			Intervals                                          int
		}
	}
	for _, v := range vectors[vector](t, "aggregation_vectors.json", 5) {
		t.Run(v.Name, func(t *testing.T) {
			at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			var intervals []Interval
			for _, iv := range v.Intervals {
				end := at.Add(time.Duration(iv.DurationMs) * time.Millisecond)
				intervals = append(intervals, Interval{Start: at, End: end, RFactor: iv.RFactor})
				at = end
			}
			got, ok := AggregateIntervals(intervals)
			if ok != (v.Expect != nil) {
				t.Fatalf("an aggregate: %v", ok)
			}
			if !ok {
				return
			}
			want := Aggregate{
				RFactor: v.Expect.RFactor, MOS: v.Expect.MOSEstimate, MOSMin: v.Expect.MOSMin, MOSP5: v.Expect.MOSP5,
				MOSBelow35Pct: v.Expect.MOSBelow35Pct, Count: v.Expect.Intervals,
				LongestBad: time.Duration(v.Expect.LongestBadMs) * time.Millisecond,
				Covered:    time.Duration(v.Expect.CoveredMs) * time.Millisecond,
			}
			if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-6)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAggregateLeavesOut(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	iv := func(from, to int, r *float64) Interval {
		return Interval{Start: at.Add(time.Duration(from) * time.Second), End: at.Add(time.Duration(to) * time.Second), RFactor: r}
	}
	got, ok := AggregateIntervals([]Interval{
		iv(0, 5, new(40.0)),
		iv(5, 10, nil),        // breaks the run of bad ones
		iv(10, 10, new(90.0)), // has no length
		iv(15, 10, new(90.0)), // runs backwards
		{RFactor: new(90.0)},  // has no times
		iv(15, 25, new(40.0)),
	})
	want := Aggregate{
		RFactor: 40, MOS: mosOf(40), MOSMin: mosOf(40), MOSP5: mosOf(40), MOSBelow35Pct: 100,
		LongestBad: 10 * time.Second, Covered: 15 * time.Second, Count: 2,
	}
	if d := cmp.Diff(want, got); !ok || d != "" {
		t.Error(ok, d)
	}
}

func TestAggregateLimitOfBad(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for r, want := range map[float64]float64{67.9614: 100, 67.9616: 0} { // MOS 3.5 is R 67.9615
		a, _ := AggregateIntervals([]Interval{{Start: at, End: at.Add(time.Second), RFactor: &r}})
		if a.MOSBelow35Pct != want {
			t.Errorf("R %v: %v %% below 3.5, want %v", r, a.MOSBelow35Pct, want)
		}
	}
}
