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
