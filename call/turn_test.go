package call

import (
	"testing"
	"time"
)

// A report with more turns replaces one with fewer, whichever came first; no list is
// longer than is kept.
func TestTurnsOfTheLongestReport(t *testing.T) {
	t.Parallel()
	turns := func(n int) []Turn {
		all := make([]Turn, n)
		for i := range all {
			all[i].LatencyMs = new(float64(i))
		}
		return all
	}
	var c Call
	for i, step := range []struct{ of, want int }{{2, 2}, {0, 2}, {5, 5}, {3, 5}, {MaxTurns + 7, MaxTurns}} {
		e := Event{Turns: turns(step.of)}
		e.ID, e.Kind, e.OccurredAt = string(rune('a'+i)), Report, t0
		c.Fold(&e, PreferProvider)
		if len(c.Turns) != step.want {
			t.Errorf("step %d: %d turns, want %d", i, len(c.Turns), step.want)
		}
	}
	earlier := Event{Turns: turns(MaxTurns)}
	earlier.ID, earlier.Kind, earlier.OccurredAt, earlier.Turns[1].LatencyMs = "earlier", Report, t0.Add(-time.Second), new(7.0)
	if c.Fold(&earlier, PreferProvider); *c.Turns[1].LatencyMs != 1 {
		t.Error("an earlier report took the place of a later one")
	}
	copied := c.Clone()
	copied.Turns[0].LatencyMs = nil
	if c.Turns[0].LatencyMs == nil {
		t.Error("the copy shares its turns")
	}
}
