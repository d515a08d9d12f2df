package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHealthOfAWindow(t *testing.T) {
	f := newFeed(t, "rules:\n  - {name: share, over: 15m, when: rate(mos < 3.5) > 0.1 || avg(jitterMs) > 30}\n").event(ended("1", mos(4)))
	if diff := cmp.Diff([]string{"jitterMs"}, f.engine.Healths()[0].Unreported); diff != "" {
		t.Error(diff)
	}
}

func TestHealth(t *testing.T) {
	f := newFeed(t, `rules:
  - {name: bad-call, when: packetsLost > 50 || mos < 3.5}
  - {name: agent, where: 'direction == "inbound"', when: turnLatencyMs > 3000, except: {tests: from startsWith "+1555"}}
`)
	if got := f.engine.Healths()[0].Unreported; got != nil {
		t.Errorf("before any event %q are said to be unreported", got)
	}
	for i := range 3 {
		f.event(ended(fmt.Sprint(i), mos(2))).wait(10 * time.Hour)
	}
	f.restart(t, nil).event(ended("unknown", nil))
	got := f.engine.Healths()
	if h := got[0]; h.MatchedDay != 2 || h.Counts.Matched != 3 || h.NeverFired || h.UnjudgedShare != 0.25 {
		t.Errorf("bad-call: %+v, want two matches in 24 hours of three, and a quarter unjudged", h)
	}
	if diff := cmp.Diff([]string{"packetsLost"}, got[0].Unreported); diff != "" {
		t.Errorf("bad-call: %s", diff)
	}
	if h := got[1]; !h.NeverFired {
		t.Errorf("agent: %+v", h)
	}
	if diff := cmp.Diff([]string{"direction", "from", "turnLatencyMs"}, got[1].Unreported); diff != "" {
		t.Errorf("agent: %s", diff)
	}
	f.event(ended("lossy", lost(3)))
	if got := f.engine.Healths()[0].Unreported; got != nil {
		t.Errorf("unreported after a report: %q", got)
	}
}
