package main

import (
	"errors"
	"fmt"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
)

const (
	replicasOfCallwatch = 2
	resumeLimit         = 2 * time.Minute // a wait that is not judged ends with it
	takeOverLimit       = 5 * time.Second
)

// cluster kills, stops and cuts off replicas and NATS servers, one after the other.
func cluster(t *rig.Trial) error {
	w, err := checker.Start(t.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	p, err := t.Install(w)
	if err != nil {
		return err
	}
	if err := p.WriteRules(rig.BadCalls); err != nil {
		return err
	}
	f, err := newFarm(t, p)
	if err != nil {
		return err
	}
	defer f.close()
	if err := w.Faults(checker.SlackFaults{Seed: t.Seed, Share: 0.02}); err != nil {
		return err
	}
	l, err := p.NewLoad(w, 16, 0.1) // about as many incidents as Slack takes posts: announcing keeps up, and is hit too
	if err != nil {
		return err
	}
	l.Rate = 100
	l.Begin()
	defer l.End()
	if err := f.disturb(l); err != nil {
		return err
	}
	l.Stop()
	l.Drain()
	if err := f.settled(); err != nil {
		return err
	}
	for _, r := range f.replicas {
		if err := r.Stop(); err != nil {
			return err
		}
	}
	var late error
	for i, what := range []string{"stages of a dead replica", "stages of a stopped one", "stages of one cut off", "stages of a frozen one", "a NATS server dead", "a NATS server cut off", "all NATS servers away"} {
		d, ok := f.longest[what]
		if !ok {
			continue
		}
		t.Count("%s: back after %.1f s at most", what, d.Seconds())
		if i < replicaFaults && d > takeOverLimit {
			late = errors.Join(late, fmt.Errorf("%s: taken over after %.1f s, later than %v", what, d.Seconds(), takeOverLimit))
		}
	}
	t.Count("%d answered 4xx wrongly", l.Wrong.Load())
	v, err := w.Verify(f.entries[0].URL)
	if err != nil {
		return err
	}
	if l.Wrong.Load() > 0 {
		return errors.Join(t.Judged(v), late, fmt.Errorf("%d answers after which a provider does not send again", l.Wrong.Load()))
	}
	return errors.Join(t.Judged(v), late)
}

// fault is made, then undone; what is the wait that is measured in between.
type fault struct {
	what string
	make func(victim int) (undo func() error, err error)
	back func(victim int) bool // what was promised to come back is there
}

func (f *farm) disturb(l *rig.Load) error {
	faults := f.faults(l)
	for cycle := range f.t.Times(len(faults), 5*len(faults)) {
		one := faults[cycle%len(faults)]
		if err := f.await("every stage is worked for", func() bool { return f.held(0, 1) }); err != nil {
			return err
		}
		victim, err := f.victim(cycle % len(faults))
		if err != nil {
			return err
		}
		before := l.Acked.Load()
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
		f.t.Say("%s: back after %.1f s", one.what, took.Seconds())
		if err := undo(); err != nil {
			return err
		}
		if err := f.nats.Await(f.t); err != nil {
			return err
		}
		if err := f.await("the load is taken", func() bool { return l.Acked.Load()-before > 200 }); err != nil {
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

func (f *farm) faults(l *rig.Load) []fault {
	others := func(victim int) bool { return f.held(1 - victim) }
	nothing := func() error { return nil }
	var acked int64
	note := func() { acked = l.Acked.Load() }
	taken := func(int) bool { return l.Acked.Load() > acked+20 }
	away := f.t.Span(5*time.Second, time.Minute)
	return []fault{
		{"stages of a dead replica", func(v int) (func() error, error) {
			f.replicas[v].Kill()
			return f.replicas[v].Start, nil
		}, others},
		{"stages of a stopped one", func(v int) (func() error, error) {
			return f.replicas[v].Start, f.replicas[v].Stop()
		}, others},
		{"stages of one cut off", func(v int) (func() error, error) {
			f.entries[v].Cut()
			return func() error { f.entries[v].Heal(); return nil }, nil
		}, others},
		{"stages of a frozen one", func(v int) (func() error, error) { // it goes on as if it still had them
			pid := f.replicas[v].Cmd.Process.Pid
			return func() error { return rig.Thaw(pid) }, rig.Freeze(pid)
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
			rig.Pause(f.t, away)
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
