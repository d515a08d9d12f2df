// Package storage has the rows about what is stored: power cuts, full disks, damage, cold starts,
// retention, erasing, foreign messages and the read model.
package storage

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"callwatch/tools/faults/rig"
)

// Powercut cuts the power under load: the process dies, and of the file system
// only what was written through is there.
func Powercut(t *rig.Trial) error {
	share := 0.5
	if !t.Short {
		share = 0.1 // or the announcements of fifty cuts take longer than the cuts
	}
	r, d, err := t.RigOnDisk(32, share)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	defer r.Close()
	r.Load.Begin()
	cuts := t.Times(3, 50)
	for range cuts {
		if err := r.Start(); err != nil {
			return err
		}
		if err := r.Taken(500 + r.Dice.Int64N(1500)); err != nil {
			return err
		}
		// Nobody answers without power: a process that outlived its disk would, for
		// what the file system took in the moment it was shut down.
		r.Kill()
		if err := errors.Join(d.Cut(), d.Unmount(), d.Mount()); err != nil {
			return err
		}
	}
	if err := r.Afterwards(); err != nil {
		return err
	}
	return t.Finish(r.Product, r.Checker, "%d power cuts", cuts)
}

// answers notes when webhooks were answered how.
type answers struct {
	sync.Mutex
	last200, first503 time.Time
	slowest           time.Duration
}

func (a *answers) watch(status int, took time.Duration) {
	a.Lock()
	defer a.Unlock()
	now := time.Now()
	a.slowest = max(a.slowest, took)
	switch {
	case status == http.StatusOK:
		a.last200 = now
	case status == http.StatusServiceUnavailable && a.first503.IsZero():
		a.first503 = now
	}
}

func (a *answers) reset() {
	a.Lock()
	defer a.Unlock()
	a.last200, a.first503, a.slowest = time.Time{}, time.Time{}, 0
}

func (a *answers) seen() (last200, first503 time.Time, slowest time.Duration) {
	a.Lock()
	defer a.Unlock()
	return a.last200, a.first503, a.slowest
}

// Diskfull takes the last free byte from callwatch under load, and gives it back.
func Diskfull(t *rig.Trial) error {
	r, d, err := t.RigOnDisk(16, 0.5)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	defer r.Close()
	var a answers
	r.Load.Rate, r.Load.Watch = 300, a.watch
	if err := r.Begin(); err != nil {
		return err
	}
	times := t.Times(2, 10)
	var refused, recovered time.Duration
	for range times {
		if err := r.Taken(300); err != nil {
			return err
		}
		a.reset()
		filler, err := d.Fill()
		if err != nil {
			return err
		}
		full := time.Now()
		if err := r.Await("a webhook is answered 503", 20*time.Second, func() bool { _, first, _ := a.seen(); return !first.IsZero() }); err != nil {
			return err
		}
		_, first, _ := a.seen()
		refused = max(refused, first.Sub(full))
		if err := r.Await("readiness names the cause", 20*time.Second, func() bool { return strings.Contains(r.Ready(), "disk") }); err != nil {
			return err
		}
		rig.Pause(t, 5*time.Second)
		a.reset()
		freed := time.Now()
		if err := os.Remove(filler); err != nil {
			return err
		}
		if err := r.Await("a webhook is taken again", time.Minute, func() bool { last, _, _ := a.seen(); return last.After(freed) }); err != nil {
			return err
		}
		recovered = max(recovered, time.Since(freed))
	}
	r.Load.End()
	t.Count("503 after %v, recovered after %v at most", refused.Round(time.Millisecond), recovered.Round(time.Millisecond))
	if err := t.Finish(r.Product, r.Checker, "%d times full", times); err != nil {
		return err
	}
	if refused > time.Second || recovered > 10*time.Second {
		return fmt.Errorf("503 after %v, recovered after %v", refused, recovered)
	}
	return nil
}
