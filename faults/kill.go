package main

import (
	"errors"
	"math/rand/v2"
	"time"
)

// kill9 kills callwatch in the middle of everything, again and again.
func kill9(t *trial) error {
	if t.mutate == withoutFsync {
		return errors.New("a kill leaves the page cache alone: take this mutation to powercut")
	}
	w, err := t.witness()
	if err != nil {
		return err
	}
	defer func() { _ = w.close() }()
	p, err := t.install(w)
	if err != nil {
		return err
	}
	if err := w.faults(slackFaults{Seed: t.seed, Share: 0.2}); err != nil {
		return err
	}
	share := 0.7
	if !t.short {
		share = 0.25 // a hundred cycles bring ten thousand incidents that way, each with its thread
	}
	l, err := p.load(w, 16, share)
	if err != nil {
		return err
	}
	l.rate = 400
	defer p.kill()
	dice := rand.New(rand.NewPCG(t.seed, 1))
	cycles := t.times(5, 100)
	l.begin()
	defer l.end()
	for cycle := range cycles {
		if err := p.start(); err != nil {
			return err
		}
		before := l.acked.Load()
		enough := 800 + dice.Int64N(500)
		if t.short {
			enough /= 4
		}
		err := p.await("the load is taken", time.Minute, func() bool { return l.acked.Load()-before >= enough })
		if err != nil {
			return err
		}
		p.kill()
		if cycle%10 == 9 {
			t.say("%d kills, %d acknowledged", cycle+1, l.acked.Load())
		}
	}
	l.stop()
	if err := p.start(); err != nil {
		return err
	}
	l.drain()
	return t.finish(p, w, "%d kills", cycles)
}
