package engine

import (
	"testing"
	"time"

	"callwatch/call"
)

// What each window says now: the firing one first, then those nearest to the limit, and
// which has too few calls; asking changes nothing.
func TestKeyHealths(t *testing.T) {
	const yaml = "rules: [{name: share, over: 15m, when: rate(mos < 3.5) > 0.4, min_calls: 4, by: [region]}, {name: divides, over: 15m, min_calls: 1, when: count(mos < 2.5) / count(mos < 1.5) > 3, by: [region]}, {name: plain, when: mos < 2}]"
	f := newFeed(t, yaml)
	of := func(region string, bad, good int) {
		at := func(score float64) func(*call.Event) {
			return func(e *call.Event) { e.Region, e.MOS = region, &score }
		}
		f.calls(good, time.Second, at(4)).calls(bad, time.Second, at(2))
	}
	of("bad", 5, 5)
	of("fair", 2, 8)
	of("good", 0, 10)
	of("new", 1, 1)
	before, err := f.engine.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	got := f.engine.KeyHealths("share")
	type line struct {
		region   string
		holds    bool
		few      bool
		incident bool
		value    float64
	}
	want := []line{{"bad", true, false, true, 0.5}, {"fair", false, false, false, 0.2}, {"good", false, false, false, 0}, {"new", false, true, false, 0}}
	if len(got) != len(want) {
		t.Fatalf("%d keys, want %d", len(got), len(want))
	}
	for i, h := range got {
		l := line{region: h.By[0].Value, holds: h.Holds, few: h.TooFew != nil, incident: h.Incident != ""}
		if h.Values != nil {
			l.value = h.Values.Latest
		}
		if l != want[i] || (h.Limit != nil) != (h.TooFew == nil) || h.Limit != nil && *h.Limit != 0.4 {
			t.Errorf("%+v, want %+v; %+v", l, want[i], h)
		}
	}
	if got := f.engine.KeyHealths("divides"); len(got) != 4 || !got[0].Unknown {
		t.Errorf("of a condition that fails: %+v", got)
	}
	if after, err := f.engine.Checkpoint(); err != nil || string(after) != string(before) {
		t.Errorf("asking changed the state: %v", err)
	}
	for _, minute := range []float64{4, 2, 4, 4} {
		f.calls(4, time.Minute, func(e *call.Event) { e.Region, e.MOS = "slow", &minute })
	}
	for _, h := range f.engine.KeyHealths("share") {
		if h.By[0].Value == "slow" && (len(h.Trend) < 4 || h.Trend[len(h.Trend)-1].Value > 0.5 || h.Trend[0].Value != 0) {
			t.Errorf("the trend of a key is %+v", h.Trend)
		}
		if h.By[0].Value == "new" && h.Trend != nil {
			t.Errorf("a key with too few calls has the trend %+v", h.Trend)
		}
	}
	for _, rule := range []string{"plain", "none"} {
		if got := f.engine.KeyHealths(rule); got != nil {
			t.Errorf("%s: %+v", rule, got)
		}
	}
}
