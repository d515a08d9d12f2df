package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/rules"
)

// Several reloads without an event between them lose no incident: those of rules
// that stay live on, the others are closed.
func TestReloadsInARow(t *testing.T) {
	const low, lossy = "  - {name: low, when: mos < 3.5}\n", "  - {name: lossy, when: packetsLost > 50}\n"
	f := newFeed(t, "rules:\n"+low+lossy).event(ended("1", mos(2))).event(ended("2", lost(100)))
	id := f.engine.Incidents()[0].ID
	for _, yaml := range []string{lossy, lossy + "  - {name: low, when: mos < 3.5, by: [region]}\n", lossy + low} {
		f.restart(t, compileSet(t, "rules:\n"+yaml))
	}
	f.wait(time.Second).event(ended("3", lost(100)))
	want := []string{"low opened", "lossy opened", "low resolved the rule was removed or regrouped"}
	if diff := cmp.Diff(want, f.told()); diff != "" {
		t.Error(diff)
	}
	if closed := f.out[2].Incident; closed.ID != id || closed.State != rules.Resolved {
		t.Errorf("closed %s %s, want %s", closed.ID, closed.State, id)
	}
	if open := f.engine.Incidents(); len(open) != 1 || open[0].Counts.Matched != 2 {
		t.Errorf("open after the reloads: %+v", open)
	}
}

// A reload leaves the engine it came from as it was, should the checkpoint not
// be stored.
func TestSwapLeavesTheOldEngine(t *testing.T) {
	f := newFeed(t, badCall).event(ended("1", mos(2)))
	next, _, err := f.engine.Swap(compileSet(t, badCall))
	if err != nil {
		t.Fatal(err)
	}
	e := ended("2", mos(2))
	next.Apply(2, t0, &e)
	if n := f.engine.Incidents()[0].Counts.Matched; n != 1 || next.Incidents()[0].Counts.Matched != 2 {
		t.Errorf("the old engine has %d matches, want 1", n)
	}
}
