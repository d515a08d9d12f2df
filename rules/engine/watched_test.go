package engine

import (
	"fmt"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// After a start, numbers and totals of calls say nothing that further calls could
// change; shares, means and percentiles say it of the calls so far, as soon as there are
// enough, however the share is written.
func TestFiguresBeforeAWholeWindow(t *testing.T) {
	t.Parallel()
	half := func(i int) func(*call.Event) {
		return func(e *call.Event) {
			e.Answered, e.MOS, e.DurationSec, e.RTTMs, e.Cost = new(true), new(4-float64(i%2)), new(60.0), new(100.0), new(0.5)
		}
	}
	const soon, whole, never = "soon", "whole", "never"
	for when, opens := range map[string]string{
		"rate(mos < 3.5) > 0.3":                              soon,
		"ratio(count(mos < 3.5), count(answered), 20) > 0.3": soon,
		"ratio(count(mos < 3.5), count(answered), 20) < 0.6": soon,
		"ratio(count(mos < 3.5), count(answered), 99) > 0.3": never,
		"count(mos < 3.5) / calls > 0.3":                     soon,
		"1 - count(mos < 3.5) / count(answered) > 0.3":       soon,
		"ratio(sum(cost), sum(durationSec), 60) < 0.01":      soon,
		"avg(rttMs) < 200":                                   soon,
		"p95(rttMs) < 200":                                   soon,
		"calls > 20":                                         soon,
		"count(mos < 3.5) > 10":                              soon,
		"sum(cost) > 10":                                     soon,
		"max(rttMs) > 50":                                    soon,
		"min(rttMs) < 150":                                   soon,
		"calls < 100":                                        whole,
		"count(mos < 3.5) < 100":                             whole,
		"distinct(callId) < 100":                             whole,
		"sum(cost) < 100":                                    whole,
		"max(rttMs) < 150":                                   whole,
		"min(rttMs) > 50":                                    whole,
		"calls / 2 < 50":                                     whole,
		"count(mos < 3.5) - count(answered) < 0":             whole,
		"ratio(calls, prev(calls), 20) < 2":                  never,
		"calls / (prev(calls) + 100) < 0.9":                  whole,
	} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			f := newFeed(t, fmt.Sprintf("rules: [{name: r, over: 1h, when: %q, settle: 0s, resolve_after: 1m}]", when))
			opened := func() bool { return len(f.engine.Incidents()) > 0 }
			for i := range 30 {
				f.calls(1, time.Minute, half(i))
			}
			if got := opened(); got != (opens == soon) {
				t.Errorf("half an hour after the start: open %v", got)
			}
			for i := range 35 {
				f.calls(1, time.Minute, half(i))
			}
			if got := opened(); got != (opens != never) {
				t.Errorf("an hour after the start: open %v", got)
			}
			// Away for an hour, it begins again.
			f.at = f.at.Add(time.Hour)
			f.mark(t, rules.Action{Do: rules.Resume, By: "callwatch"})
			for i := range 30 {
				f.calls(1, time.Minute, half(i))
			}
			if got := opened(); opens != whole && got != (opens == soon) {
				t.Errorf("half an hour after callwatch was away: open %v", got)
			}
		})
	}
}

// A call says nothing for it that there are too few: none is evidence, neither in the
// window nor since.
func TestNoCallIsEvidenceOfTooFew(t *testing.T) {
	for _, when := range []string{"calls < 5", "distinct(callId) < 5"} {
		f := newFeed(t, "rules: [{name: r, over: 10m, when: "+when+", resolve: calls >= 6, settle: 0s, resolve_after: 1m}]")
		f.calls(40, 4*time.Minute, mos(4))
		open := f.engine.Incidents()
		if len(open) != 1 {
			t.Fatalf("%s: %d incidents", when, len(open))
		}
		if in := open[0]; in.Counts.Matched != 0 || len(in.Samples) > 0 || len(in.Top) > 0 || in.Counts.Judged < 30 {
			t.Errorf("%s: %+v, %d samples, where: %v", when, in.Counts, len(in.Samples), in.Top)
		}
		if got := open[0].ResolveWhen; got != "calls >= 6" {
			t.Errorf("%s: it resolves when %q", when, got)
		}
	}
}
