package main

import (
	"callwatch/tools/faults/checker"
)

// kill9 kills callwatch in the middle of everything, again and again.
func kill9(t *trial) error {
	share := 0.7
	if !t.short {
		share = 0.25 // a hundred cycles bring ten thousand incidents that way, each with its thread
	}
	r, err := t.rig(16, share)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.w.Faults(checker.SlackFaults{Seed: t.seed, Share: 0.2}); err != nil {
		return err
	}
	r.l.rate = 400
	cycles := t.times(5, 100)
	r.l.begin()
	for cycle := range cycles {
		if err := r.start(); err != nil {
			return err
		}
		enough := 800 + r.dice.Int64N(500)
		if t.short {
			enough /= 4
		}
		if err := r.taken(enough); err != nil {
			return err
		}
		r.kill()
		if cycle%10 == 9 {
			t.say("%d kills, %d acknowledged", cycle+1, r.l.acked.Load())
		}
	}
	if !t.short { // at a post or two a second thousands of incidents would take hours
		if err := r.w.Faults(checker.SlackFaults{Seed: t.seed + 1, Share: 0.02}); err != nil {
			return err
		}
	}
	if err := r.afterwards(); err != nil {
		return err
	}
	return t.finish(r.product, r.w, "%d kills", cycles)
}
