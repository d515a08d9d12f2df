package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/variants"
)

// powercut cuts the power under load: the process dies, and of the file system
// only what was written through is there.
func powercut(t *trial) error {
	share := 0.5
	if !t.short {
		share = 0.1 // or the announcements of fifty cuts take longer than the cuts
	}
	r, d, err := t.rigOnDisk(32, share)
	if err != nil {
		return err
	}
	defer func() { _ = d.close() }()
	defer r.close()
	r.l.begin()
	cuts := t.times(3, 50)
	for range cuts {
		if err := r.start(); err != nil {
			return err
		}
		if err := r.taken(500 + r.dice.Int64N(1500)); err != nil {
			return err
		}
		// Nobody answers without power: a process that outlived its disk would, for
		// what the file system took in the moment it was shut down.
		r.kill()
		if err := errors.Join(d.cut(), d.unmount(), d.mount()); err != nil {
			return err
		}
	}
	if err := r.afterwards(); err != nil {
		return err
	}
	return t.finish(r.product, r.w, "%d power cuts", cuts)
}

// patience is how long nothing may move before a run gives up. A mutated product
// may never get there.
func (t *trial) patience() time.Duration {
	if t.mutate != variants.None {
		return 10 * time.Second
	}
	return t.span(time.Minute, 5*time.Minute)
}

// finish waits until all is announced, stops callwatch and lets the checker judge.
func (t *trial) finish(p *product, w *checker.Client, format string, args ...any) error {
	unsettled := p.settled(t.patience())
	if err := p.stop(); err != nil {
		return err
	}
	t.count(format, args...)
	v, err := w.Verify(p.data)
	if err != nil {
		return err
	}
	return errors.Join(t.judged(v), unsettled)
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

// diskfull takes the last free byte from callwatch under load, and gives it back.
func diskfull(t *trial) error {
	r, d, err := t.rigOnDisk(16, 0.5)
	if err != nil {
		return err
	}
	defer func() { _ = d.close() }()
	defer r.close()
	var a answers
	r.l.rate, r.l.watch = 300, a.watch
	if err := r.begin(); err != nil {
		return err
	}
	times := t.times(2, 10)
	var refused, recovered time.Duration
	for range times {
		if err := r.taken(300); err != nil {
			return err
		}
		a.reset()
		filler, err := d.fill()
		if err != nil {
			return err
		}
		full := time.Now()
		if err := r.await("a webhook is answered 503", 20*time.Second, func() bool { _, first, _ := a.seen(); return !first.IsZero() }); err != nil {
			return err
		}
		_, first, _ := a.seen()
		refused = max(refused, first.Sub(full))
		if err := r.await("readiness names the cause", 20*time.Second, func() bool { return strings.Contains(r.ready(), "disk") }); err != nil {
			return err
		}
		pause(t, 5*time.Second)
		a.reset()
		freed := time.Now()
		if err := os.Remove(filler); err != nil {
			return err
		}
		if err := r.await("a webhook is taken again", time.Minute, func() bool { last, _, _ := a.seen(); return last.After(freed) }); err != nil {
			return err
		}
		recovered = max(recovered, time.Since(freed))
	}
	r.l.end()
	t.count("503 after %v, recovered after %v at most", refused.Round(time.Millisecond), recovered.Round(time.Millisecond))
	if err := t.finish(r.product, r.w, "%d times full", times); err != nil {
		return err
	}
	if refused > time.Second || recovered > 10*time.Second {
		return fmt.Errorf("503 after %v, recovered after %v", refused, recovered)
	}
	return nil
}
