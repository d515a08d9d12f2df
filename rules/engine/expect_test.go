package engine

import (
	"slices"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// A key that is expected is missed although no call of it was ever seen, from one whole
// absence after the rule began to watch; our own downtime is none, a call ends it, and
// the other keys are as before. A restart at any time changes nothing.
func TestExpectedKeys(t *testing.T) {
	const expecting = `rules: [{name: none, absent: 30m, by: [provider, region], resolve_after: 1m, expect: [{provider: p, region: eu}, {provider: p, region: us}]}]`
	set, without := compileSet(t, expecting), compileSet(t, `rules: [{name: none, absent: 30m, by: [provider, region], resolve_after: 1m}]`)
	for _, restarts := range []bool{false, true} {
		g, seq, at := New(set, Options{}), uint64(0), t0
		var steps []string
		inForce := set
		note := func(out []rules.Transition) {
			for _, tr := range out {
				steps = append(steps, string(tr.Step)+" "+tr.Incident.By[1].Value+" "+tr.At.Sub(t0).String())
			}
		}
		restart := func(set *rules.Set) {
			data, err := g.Checkpoint()
			if err != nil {
				t.Fatal(err)
			}
			if g, err = Restore(set, Options{}, data); err != nil {
				t.Fatal(err)
			}
		}
		pass := func(d time.Duration) {
			for until := at.Add(d); ; {
				if restarts {
					restart(inForce)
				}
				seq++
				if at = g.NextDeadline(); at.IsZero() || at.After(until) {
					at = until
					note(g.Tick(seq, at))
					return
				}
				note(g.Tick(seq, at))
			}
		}
		seen := func(region string) {
			seq++
			e := ended(at.String(), func(e *call.Event) { e.Region, e.OccurredAt = region, at })
			note(g.Apply(seq, at, &e))
		}
		seen("asia")
		pass(10 * time.Minute)
		at = at.Add(2 * time.Hour) // away: nobody watched
		seq++
		note(g.Act(seq, at, rules.Action{Do: rules.Resume, By: "callwatch"}))
		pass(20 * time.Minute)
		seen("us")
		pass(15 * time.Minute) // 2h45m: only eu, at 2h40m; and asia, which had its call long ago
		pass(40 * time.Minute)
		seen("eu")
		pass(5 * time.Minute)
		pass(9 * 24 * time.Hour)
		want := []string{"opened asia 2h40m0s", "opened eu 2h40m0s", "opened us 3h0m0s", "resolved eu 3h26m0s", "opened eu 3h55m0s", "resolved asia 168h0m0s"}
		if !slices.Equal(steps, want) {
			t.Errorf("restarts %v: %q, want %q", restarts, steps, want)
		}
		if n := len(g.Incidents()); n != 2 {
			t.Errorf("%d incidents are open: what is expected is missed for as long as it takes", n)
		}
		inForce = without
		restart(inForce)
		at = at.Add(time.Hour)
		pass(time.Minute)
		if n := len(g.Incidents()); n != 0 {
			t.Errorf("%d incidents are open of keys that are not expected any more", n)
		}
	}
}
