package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"callwatch/rules"
	"callwatch/stream"
)

// Replicas of several versions must agree on the shard of a rule.
func TestShardOfStays(t *testing.T) {
	for rule, want := range map[string]int{"bad-call": 3, "call-failures": 3, "one-way-audio": 2, "": 1} {
		if got := shardOf(rule); got != want {
			t.Errorf("%q is in shard %d, was in %d", rule, got, want)
		}
	}
}

// What counts as stored of a shard, whatever its replica is doing.
func TestStoredThrough(t *testing.T) {
	var s shards
	check := func(what string, want ...uint64) {
		t.Helper()
		var got []uint64
		for i := range shardCount {
			got = append(got, s.storedThrough(i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	anew := 0
	again := func() { anew++ }
	s.take(shardDuty(0), 20, func() {})
	check("taken", 20, 0, 0, 0)
	s.begin(10, again)
	check("begun at a checkpoint", 20, 0, 0, 0)
	s.through.Store(30)
	check("folded", 30, 0, 0, 0)
	s.take(shardDuty(1), 25, func() {})
	check("another one taken in the middle", 30, 25, 0, 0)
	if anew != 1 || s.has(shardDuty(1)) {
		t.Errorf("begins anew %d times; stores the new shard already: %v", anew, s.has(shardDuty(1)))
	}
	s.through.Store(31)
	s.end()
	check("ended", 31, 25, 0, 0)
	s.begin(10, again)
	check("begun anew", 31, 25, 0, 0)
	s.through.Store(28)
	check("not so far as before", 31, 28, 0, 0)
	s.drop(shardDuty(1))
	s.through.Store(40)
	check("one lost", 40, 28, 0, 0)
	s.learn(2, 35)
	s.learn(1, 5)
	check("told of others", 40, 28, 35, 0)
	s.take(judgeDuty, 0, nil)
	s.end()
	s.take(shardDuty(1), 50, func() {})
	if anew != 2 {
		t.Errorf("begun anew %d times", anew)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		own    int
		others []int
		offers int
		sated  bool
	}{
		{4, nil, 0, false},
		{4, []int{0}, 2, true},
		{3, []int{1}, 1, true},
		{2, []int{2}, 0, false},
		{2, []int{1, 1}, 0, true},
		{2, []int{2, 0}, 1, true},
		{1, []int{3}, 0, false},
		{1, []int{1, 1, 1, 0}, 0, true},
	} {
		var s shards
		offers := 0
		for i := range c.own {
			s.take(shardDuty(i), 0, func() { offers++ })
		}
		s.spread(c.others)
		if offers != c.offers || s.sated() != c.sated {
			t.Errorf("%d beside %d: offers %d, sated %v", c.own, c.others, offers, s.sated())
		}
		s.spread(c.others) // told before the others have taken anything
		if offers != c.offers {
			t.Errorf("%d beside %d: offers the same twice", c.own, c.others)
		}
	}
}

// atRest is a callwatch with a store of its own, of which nothing runs.
func atRest(t *testing.T, set *rules.Set) *app {
	t.Helper()
	cfg := defaultConfig()
	cfg.DataDir = t.TempDir()
	store, err := stream.Open(t.Context(), cfg.storing(testLogger(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	return &app{cfg: cfg, log: testLogger(t), store: store, stats: newStats(), roles: newRoles(), judging: &judging{set: set}}
}

// Stopped between judging an event and storing what came of it: that is found
// again, for no checkpoint goes beyond it.
func TestStoppedBeforeStoring(t *testing.T) {
	set, problems := rules.Load("rules.yaml", []byte(badCallRule))
	if problems.Errors() {
		t.Fatal(problems)
	}
	a := atRest(t, set)
	store := a.store
	put(t, store, birdCall("5001", 2.5))
	if err := a.normalizeFrom(t.Context(), store.StoredRecords); err != nil {
		t.Fatal(err)
	}
	defer a.haveAll()()
	stopped, stop := context.WithCancel(t.Context())
	a.judging.opt.Matched = func(*rules.Rule, *rules.Evidence) { stop() }
	if err := a.fold(stopped, func() {}); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	a.judging.opt.Matched = nil
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.fold(ctx, func() {}) }()
	eventually(t, "the incident is stored", func() bool {
		all, err := store.LastTransitions(t.Context())
		return err == nil && len(all) == 1
	})
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
