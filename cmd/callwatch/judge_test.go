package main

import (
	"context"
	"errors"
	"testing"

	"callwatch/rules"
	"callwatch/stream"
)

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
	stopped, stop := context.WithCancel(t.Context())
	a.judging.opt.Matched = func(*rules.Rule, *rules.Evidence) { stop() }
	if err := a.fold(stopped, true); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	a.judging.opt.Matched = nil
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.fold(ctx, true) }()
	eventually(t, "the incident is stored", func() bool {
		all, err := store.LastTransitions(t.Context())
		return err == nil && len(all) == 1
	})
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
