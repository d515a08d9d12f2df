package window

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callwatch/call"
	"callwatch/rules/condition"
)

// What prev(f, ago) says is what f said at that time, worked out again from the calls
// that were counted by then; unknown before the key was watched for a whole window and
// after callwatch was away. It is the same after a restart anywhere.
func TestHistoryAgainstNaive(t *testing.T) {
	figures := []string{"calls", "count(mos < 3.5)", "rate(mos < 3.5)", "avg(mos)", "p95(jitterMs)", "sum(jitterMs)", "distinct(agentId)"}
	for _, c := range []struct {
		over, ago string
		gap       int // seconds between calls, at most
	}{{"5m", "1h", 200}, {"1m", "90m", 150}, {"45s", "45s", 30}, {"1m", "24h", 4000}} {
		ago, err := time.ParseDuration(c.ago)
		if err != nil {
			t.Fatal(err)
		}
		asked := ""
		for _, f := range figures {
			asked += fmt.Sprintf("prev(%s, %s) > 0.5 + calls or ", f, c.ago)
		}
		w := compile(t, c.over, asked+"calls > 0")
		known := 0
		rapid.Check(t, func(t *rapid.T) {
			start := t0.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "start")) * time.Second)
			s, now := New(w, start), start
			width := w.shape.width
			bucketOf := func(at time.Time) int64 { return floorDiv(at.UnixNano(), int64(width)) }
			type seen struct {
				countedCall
				when int64 // bucket in which it was counted
			}
			var all []seen
			from := bucketOf(start) + 1
			var gaps [][2]int64 // first bucket that was not watched for all of its time, and the first that was
			for range rapid.IntRange(1, 120).Draw(t, "n") {
				now = now.Add(time.Duration(rapid.IntRange(0, c.gap).Draw(t, "pause")) * time.Second)
				switch rapid.IntRange(0, 30).Draw(t, "do") {
				case 0:
					away := now.Add(time.Duration(rapid.IntRange(1, c.gap).Draw(t, "away")) * time.Second)
					s.Unwatched(w, now, away)
					gaps = append(gaps, [2]int64{bucketOf(now), bucketOf(away) + 1})
					now = away
					s.Advance(w, now)
				case 1:
					b, err := json.Marshal(s)
					if err != nil {
						t.Fatal(err)
					}
					if s = (&State{}); json.Unmarshal(b, s) != nil || !s.Fits(w) {
						t.Fatal("it does not fit what it was written by")
					}
				default:
					e, readings := drawnCall(t, w, now, 0, 0, 5, 20, 2000)
					s.Add(w, 0, e.EndedAt, now, readings)
					head, bucket := bucketOf(now), bucketOf(e.EndedAt)
					if bucket <= head-int64(w.shape.steps) {
						bucket = head
					}
					all = append(all, seen{countedCall{bucket: bucket, mos: e.MOS, jitter: e.JitterMs, agent: e.AgentID}, head})
				}
				s.Advance(w, now)
				// The end of the window that long ago, as a number of buckets: on a row.
				step := w.shape.past.step
				back := (int64((ago+width-1)/width) + step - 1) / step * step
				end := floorDiv(bucketOf(now), step)*step - back
				first := end - int64(w.shape.steps)
				watched := first >= from
				for _, g := range gaps {
					watched = watched && (end <= g[0] || first >= g[1])
				}
				var in []countedCall
				for _, c := range all {
					if c.bucket >= first && c.bucket < end && c.when < end {
						in = append(in, c.countedCall)
					}
				}
				var e Evaluation
				e.Evaluate(w, s)
				for i, f := range w.Figures.All {
					if f.Ago == 0 {
						continue
					}
					arg, want := "", math.NaN()
					if f.Arg >= 0 {
						arg = w.Figures.Args[f.Arg].Text
					}
					if watched {
						want = naive(f.Func, arg, in)
						known++
					}
					if got := e.Bounds[i].Low; math.IsNaN(want) != math.IsNaN(got) || math.Abs(want-got) > 1e-6+1e-9*math.Abs(want) {
						t.Fatalf("%s is %v, want %v of %d calls", f.Name, got, want, len(in))
					}
				}
			}
		})
		if known == 0 && !testing.Short() { // a short run makes few calls
			t.Errorf("over %s, %s ago: nothing is ever known", c.over, c.ago)
		}
	}
}

// A history takes no more than its rows, however long it is and however busy the key.
func TestHistoryIsBounded(t *testing.T) {
	for _, c := range []struct {
		over, ago string
		most      int // bytes
	}{{"1h", "7d", 28_000}, {"1h", "24h", 12_000}, {"5m", "7d", 33_000}, {"5m", "168h", 33_000}} {
		w := compile(t, c.over, "prev(rate(mos < 3.5), "+c.ago+") > 0")
		s, e := New(w, t0), ended(func(e *call.Event) { e.MOS = new(3.0) })
		var facts condition.Facts
		facts.Load(&e)
		readings, _ := w.Read(&facts, nil)
		for at := t0; at.Before(t0.AddDate(0, 0, 9)); at = at.Add(2 * time.Minute) {
			s.Add(w, 0, at, at, readings)
		}
		if n := len(s.Past.Rows); n == 0 || n > c.most {
			t.Errorf("over %s, %s ago: %d bytes, want at most %d", c.over, c.ago, n, c.most)
		}
		s.Advance(w, t0.AddDate(50, 0, 0)) // a leap costs no more than the rows
		if !s.Empty(w) {
			t.Error("it is never forgotten")
		}
	}
}

// What is read of a checkpoint is one of the window, or refused.
func FuzzHistoryFits(f *testing.F) {
	w := compile(f, "1m", "prev(rate(mos < 3.5), 1h) > 0 and prev(avg(mos), 30m) > 2")
	s := New(w, t0)
	s.Advance(w, t0.Add(2*time.Hour))
	b, err := json.Marshal(s.Past)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := New(w, t0)
		if json.Unmarshal(b, s.Past) != nil || !s.Fits(w) {
			return
		}
		var e Evaluation
		for _, at := range []time.Time{t0, t0.Add(time.Hour), t0.AddDate(0, 0, 3)} {
			s.Advance(w, at)
			e.Evaluate(w, s)
			s.Empty(w)
		}
	})
}

// BenchmarkHistoryMemory measures what one key takes once its history is full.
func BenchmarkHistoryMemory(b *testing.B) {
	for _, c := range []struct{ over, ago string }{{"1h", "7d"}, {"1h", "24h"}, {"15m", "7d"}, {"15m", "24h"}} {
		b.Run(c.over+"-"+c.ago, func(b *testing.B) {
			const keys = 50
			w, e := compile(b, c.over, "prev(rate(mos < 3.5), "+c.ago+") - rate(mos < 3.5) > 0.2"), ended(func(e *call.Event) { e.MOS = new(3.0) })
			var facts condition.Facts
			facts.Load(&e)
			readings, _ := w.Read(&facts, nil)
			heap := func() float64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&m)
				return float64(m.HeapAlloc)
			}
			for b.Loop() {
				before, states := heap(), make([]*State, keys)
				for i := range states {
					states[i] = New(w, t0)
					for at := t0; at.Before(t0.AddDate(0, 0, 8)); at = at.Add(2 * time.Minute) {
						states[i].Add(w, 0, at, at, readings)
					}
				}
				b.ReportMetric((heap()-before)/keys, "bytes/key")
				runtime.KeepAlive(states)
			}
		})
	}
}
