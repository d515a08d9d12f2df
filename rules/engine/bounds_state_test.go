package engine

import (
	"fmt"
	"testing"
	"time"
)

// The silences made at run time are bounded: one beyond is not taken, until another
// has ended.
func TestSilencesAreBounded(t *testing.T) {
	f := newFeed(t, badCall)
	for i := range maxSilences - 1 {
		f.silence(t, fmt.Sprint("s", i), `rule == "other"`, time.Hour)
	}
	f.silence(t, "short", `rule == "other"`, time.Minute).silence(t, "beyond", `rule == "bad-call"`, time.Hour)
	if n := len(f.engine.Silences()); n != maxSilences {
		t.Fatalf("%d silences, want %d", n, maxSilences)
	}
	if f.event(ended("1", mos(2))); f.out[0].Incident.Silence != nil {
		t.Error("the one beyond is in force")
	}
	f.wait(2*time.Minute).silence(t, "next", `rule == "bad-call"`, time.Hour)
	if f.engine.Incidents()[0].Silence == nil {
		t.Error("none is taken once another has ended")
	}
}

// The event ids that are remembered are bounded, and the latest million is always
// recognized.
func TestRememberedEventsAreBounded(t *testing.T) {
	var m memory
	id := func(i int) string { return fmt.Sprint("event-", i) }
	for i := range 2*maxRemembered + 1 {
		if m.add(id(i)) {
			t.Fatalf("event %d is known before it came", i)
		}
		if len(m.Recent) > maxRemembered || len(m.Older) > maxRemembered {
			t.Fatalf("after %d events %d and %d are remembered", i+1, len(m.Recent), len(m.Older))
		}
	}
	for _, i := range []int{2 * maxRemembered, 2*maxRemembered - 1, maxRemembered + 1} {
		if !m.add(id(i)) {
			t.Errorf("event %d is forgotten", i)
		}
	}
}
