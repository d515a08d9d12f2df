package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"callwatch/normalizer/simulate"
	"callwatch/tools/faults/variants"
)

// step sets the product's clock, and with it that of the senders.
func (r *rig) step(by time.Duration) error {
	file := filepath.Join(r.t.dir, "clock")
	r.setenv(variants.ClockFile, file)
	if err := os.WriteFile(file+".new", fmt.Appendf(nil, "%d\n", int64(by/time.Second)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	r.l.ahead.Store(int64(by))
	pause(r.t, 100*time.Millisecond) // it is read every 20 ms
	return nil
}

// clocks sets the clock forward and back by an hour and a day under load.
func clocks(t *trial) error {
	t.variant = variants.Clocked
	r, err := t.rig(16, 0.6)
	if err != nil {
		return err
	}
	defer r.close()
	r.l.rate = 200
	if err := r.step(0); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	rounds := t.times(1, 5)
	for range rounds {
		for _, by := range []time.Duration{time.Hour, 0, 24 * time.Hour, 0, -time.Hour, 0, -24 * time.Hour, 0} {
			if err := r.step(by); err != nil {
				return err
			}
			if err := r.taken(150); err != nil {
				return err
			}
		}
	}
	r.l.end()
	return t.finish(r.product, r.w, "%d steps", 8*rounds)
}

// tenfold sends every webhook ten times, shuffled, the tenth time three days
// later, or in a short run at once.
func tenfold(t *trial) error {
	if !t.short { // building the standard library takes minutes
		t.variant = variants.Clocked
	}
	r, err := t.rig(32, 0.5)
	if err != nil {
		return err
	}
	defer r.close()
	if t.short { // incidents end within the run: their last transition says how many calls counted
		if err := r.writeRules(soonResolved(badCalls)); err != nil {
			return err
		}
	}
	calls := t.times(150, 500)
	traffic, err := r.traffic(t.seed, calls, 0.5)
	if err != nil {
		return err
	}
	once := slices.Collect(traffic)
	var nine []simulate.Request
	for range 9 {
		nine = append(nine, once...)
	}
	// The first time in their order: which values open an incident depends on it.
	r.dice.Shuffle(len(nine)-len(once), func(i, j int) {
		i, j = i+len(once), j+len(once)
		nine[i], nine[j] = nine[j], nine[i]
	})
	if err := r.step(0); err != nil {
		return err
	}
	r.l.requests = slices.Values(nine)
	if err := r.begin(); err != nil {
		return err
	}
	r.l.drain()
	if err := r.settled(2 * time.Minute); err != nil {
		return err
	}
	before, err := r.w.Posts()
	if err != nil {
		return err
	}
	r.kill()
	later := 75 * time.Hour
	if t.short {
		later = 0
	}
	if err := r.step(later); err != nil {
		return err
	}
	r.dice.Shuffle(len(once), func(i, j int) { once[i], once[j] = once[j], once[i] })
	r.l.requests = slices.Values(once)
	if err := r.begin(); err != nil {
		return err
	}
	r.l.drain()
	// All incidents have resolved since, and fifty messages a minute are edited.
	if err := r.settled(2*time.Minute + time.Duration(before.Roots)*2*time.Second); err != nil {
		return err
	}
	after, err := r.w.Posts()
	if err != nil {
		return err
	}
	if t.short {
		if err := r.allResolved(time.Minute); err != nil {
			return err
		}
	}
	t.count("%d calls, %d webhooks, %d threads before and %d after %v", calls, len(nine)+len(once), before.Roots, after.Roots, later)
	if err := t.finish(r.product, r.w, "each ten times"); err != nil {
		return err
	}
	if after.Roots != before.Roots {
		return fmt.Errorf("%d threads more after %v", after.Roots-before.Roots, later)
	}
	return nil
}
