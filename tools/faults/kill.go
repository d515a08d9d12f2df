package main

import (
	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
)

// kill9 kills callwatch in the middle of everything, again and again.
func kill9(t *rig.Trial) error {
	share := 0.7
	if !t.Short {
		share = 0.25 // a hundred cycles bring ten thousand incidents that way, each with its thread
	}
	r, err := t.Rig(16, share)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Checker.Faults(checker.SlackFaults{Seed: t.Seed, Share: 0.2}); err != nil {
		return err
	}
	r.Load.Rate = 400
	cycles := t.Times(5, 100)
	r.Load.Begin()
	for cycle := range cycles {
		if err := r.Start(); err != nil {
			return err
		}
		enough := 800 + r.Dice.Int64N(500)
		if t.Short {
			enough /= 4
		}
		if err := r.Taken(enough); err != nil {
			return err
		}
		r.Kill()
		if cycle%10 == 9 {
			t.Say("%d kills, %d acknowledged", cycle+1, r.Load.Acked.Load())
		}
	}
	if !t.Short { // at a post or two a second thousands of incidents would take hours
		if err := r.Checker.Faults(checker.SlackFaults{Seed: t.Seed + 1, Share: 0.02}); err != nil {
			return err
		}
	}
	if err := r.Afterwards(); err != nil {
		return err
	}
	return t.Finish(r.Product, r.Checker, "%d kills", cycles)
}
