package main

import (
	"errors"
	"fmt"
	"time"

	"callwatch/tools/faults/checker"
)

const (
	replicasOfCallwatch = 2
	resumeLimit         = 2 * time.Minute // a wait that is not judged ends with it
	takeOverLimit       = 5 * time.Second
)

// cluster kills, stops and cuts off replicas and NATS servers, one after the other.
func cluster(t *trial) error {
	w, err := checker.Start(t.dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	p, err := t.install(w)
	if err != nil {
		return err
	}
	if err := p.writeRules(badCalls); err != nil {
		return err
	}
	f, err := t.farm(p)
	if err != nil {
		return err
	}
	defer f.close()
	if err := w.Faults(checker.SlackFaults{Seed: t.seed, Share: 0.02}); err != nil {
		return err
	}
	l, err := p.load(w, 16, 0.2)
	if err != nil {
		return err
	}
	l.rate = 100
	l.begin()
	defer l.end()
	if err := f.disturb(l); err != nil {
		return err
	}
	l.stop()
	l.drain()
	if err := f.settled(); err != nil {
		return err
	}
	for _, r := range f.replicas {
		if err := r.stop(); err != nil {
			return err
		}
	}
	var late error
	for i, what := range []string{"stages of a dead replica", "stages of a stopped one", "stages of one cut off", "stages of a frozen one", "a NATS server dead", "a NATS server cut off", "all NATS servers away"} {
		d, ok := f.longest[what]
		if !ok {
			continue
		}
		t.count("%s: back after %.1f s at most", what, d.Seconds())
		if i < replicaFaults && d > takeOverLimit {
			late = errors.Join(late, fmt.Errorf("%s: taken over after %.1f s, later than %v", what, d.Seconds(), takeOverLimit))
		}
	}
	t.count("%d answered 4xx wrongly", l.wrong.Load())
	v, err := w.Verify(f.entries[0].URL)
	if err != nil {
		return err
	}
	if l.wrong.Load() > 0 {
		return errors.Join(t.judged(v), late, fmt.Errorf("%d answers after which a provider does not send again", l.wrong.Load()))
	}
	return errors.Join(t.judged(v), late)
}

// fault is made, then undone; what is the wait that is measured in between.
type fault struct {
	what string
	make func(victim int) (undo func() error, err error)
	back func(victim int) bool // what was promised to come back is there
}

func (f *farm) disturb(l *load) error {
	faults := f.faults(l)
	for cycle := range f.t.times(len(faults), 5*len(faults)) {
		one := faults[cycle%len(faults)]
		if err := f.await("every stage is worked for", func() bool { return f.held(0, 1) }); err != nil {
			return err
		}
		victim, err := f.victim(cycle % len(faults))
		if err != nil {
			return err
		}
		before := l.acked.Load()
		undo, err := one.make(victim)
		if err != nil {
			return err
		}
		begun := time.Now()
		if err := f.await(one.what, func() bool { return one.back(victim) }); err != nil {
			return err
		}
		took := time.Since(begun)
		f.longest[one.what] = max(f.longest[one.what], took)
		f.t.say("%s: back after %.1f s", one.what, took.Seconds())
		if err := undo(); err != nil {
			return err
		}
		if err := f.nats.Await(f.t); err != nil {
			return err
		}
		if err := f.await("the load is taken", func() bool { return l.acked.Load()-before > 200 }); err != nil {
			return err
		}
	}
	return nil
}

// replicaFaults is how many of the faults, the first ones, befall a replica.
const replicaFaults = 4

// victim is the one that has something to lose: of the replicas the one that
// judges, of the NATS servers the one that takes the webhooks.
func (f *farm) victim(fault int) (int, error) {
	if fault < replicaFaults {
		return f.holder("judge"), nil
	}
	return f.nats.Leader("CALLWATCH_RAW")
}

func (f *farm) faults(l *load) []fault {
	others := func(victim int) bool { return f.held(1 - victim) }
	nothing := func() error { return nil }
	var acked int64
	note := func() { acked = l.acked.Load() }
	taken := func(int) bool { return l.acked.Load() > acked+20 }
	away := f.t.span(5*time.Second, time.Minute)
	return []fault{
		{"stages of a dead replica", func(v int) (func() error, error) {
			f.replicas[v].kill()
			return f.replicas[v].start, nil
		}, others},
		{"stages of a stopped one", func(v int) (func() error, error) {
			return f.replicas[v].start, f.replicas[v].stop()
		}, others},
		{"stages of one cut off", func(v int) (func() error, error) {
			f.entries[v].Cut()
			return func() error { f.entries[v].Heal(); return nil }, nil
		}, others},
		{"stages of a frozen one", func(v int) (func() error, error) { // it goes on as if it still had them
			pid := f.replicas[v].cmd.Process.Pid
			return func() error { return thaw(pid) }, freeze(pid)
		}, others},
		{"a NATS server dead", func(v int) (func() error, error) {
			f.nats.KillNode(v)
			note()
			return func() error { return f.nats.StartNode(v) }, nil
		}, taken},
		{"a NATS server cut off", func(v int) (func() error, error) {
			f.nats.Cut(v)
			note()
			return func() error { f.nats.Heal(); return nil }, nil
		}, taken},
		{"all NATS servers away", func(int) (func() error, error) {
			for i := range 3 {
				f.nats.KillNode(i)
			}
			pause(f.t, away)
			for i := range 3 {
				if err := f.nats.StartNode(i); err != nil {
					return nothing, err
				}
			}
			note()
			return nothing, nil
		}, taken},
	}
}
