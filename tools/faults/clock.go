package main

import (
	"fmt"
	"slices"
	"time"

	"callwatch/normalizer/simulate"
	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
)

// clocks sets the clock forward and back by an hour and a day under load.
func clocks(t *rig.Trial) error {
	t.Variant = variants.Clocked
	r, err := t.Rig(16, 0.6)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Load.Rate = 200
	if err := r.Step(0); err != nil {
		return err
	}
	if err := r.Begin(); err != nil {
		return err
	}
	rounds := t.Times(1, 5)
	for range rounds {
		for _, by := range []time.Duration{time.Hour, 0, 24 * time.Hour, 0, -time.Hour, 0, -24 * time.Hour, 0} {
			if err := r.Step(by); err != nil {
				return err
			}
			if err := r.Taken(150); err != nil {
				return err
			}
		}
	}
	r.Load.End()
	return t.Finish(r.Product, r.Checker, "%d steps", 8*rounds)
}

// tenfold sends every webhook ten times, shuffled, the tenth time three days
// later, or in a short run at once.
func tenfold(t *rig.Trial) error {
	if !t.Short { // building the standard library takes minutes
		t.Variant = variants.Clocked
	}
	r, err := t.Rig(32, 0.5)
	if err != nil {
		return err
	}
	defer r.Close()
	if t.Short { // incidents end within the run: their last transition says how many calls counted
		if err := r.WriteRules(soonResolved(rig.BadCalls)); err != nil {
			return err
		}
	}
	calls := t.Times(150, 500)
	traffic, err := r.Traffic(t.Seed, calls, 0.5)
	if err != nil {
		return err
	}
	once := slices.Collect(traffic)
	var nine []simulate.Request
	for range 9 {
		nine = append(nine, once...)
	}
	// The first time in their order: which values open an incident depends on it.
	r.Dice.Shuffle(len(nine)-len(once), func(i, j int) {
		i, j = i+len(once), j+len(once)
		nine[i], nine[j] = nine[j], nine[i]
	})
	if err := r.Step(0); err != nil {
		return err
	}
	r.Load.Requests = slices.Values(nine)
	if err := r.Begin(); err != nil {
		return err
	}
	r.Load.Drain()
	if err := r.Settled(2 * time.Minute); err != nil {
		return err
	}
	before, err := r.Checker.Posts()
	if err != nil {
		return err
	}
	r.Kill()
	later := 75 * time.Hour
	if t.Short {
		later = 0
	}
	if err := r.Step(later); err != nil {
		return err
	}
	r.Dice.Shuffle(len(once), func(i, j int) { once[i], once[j] = once[j], once[i] })
	r.Load.Requests = slices.Values(once)
	if err := r.Begin(); err != nil {
		return err
	}
	r.Load.Drain()
	// All incidents have resolved since, and fifty messages a minute are edited.
	if err := r.Settled(2*time.Minute + time.Duration(before.Roots)*2*time.Second); err != nil {
		return err
	}
	after, err := r.Checker.Posts()
	if err != nil {
		return err
	}
	if t.Short {
		if err := allResolved(r, time.Minute); err != nil {
			return err
		}
	}
	t.Count("%d calls, %d webhooks, %d threads before and %d after %v", calls, len(nine)+len(once), before.Roots, after.Roots, later)
	if err := t.Finish(r.Product, r.Checker, "each ten times"); err != nil {
		return err
	}
	if after.Roots != before.Roots {
		return fmt.Errorf("%d threads more after %v", after.Roots-before.Roots, later)
	}
	return nil
}
