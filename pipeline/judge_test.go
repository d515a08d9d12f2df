package pipeline

import (
	"context"
	"errors"
	"testing"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

const badCallRule = "rules:\n  - name: bad-call\n    when: packetsLost > 50 || mos < 3.5\n    by: [provider, callId]\n"

// Stopped between judging an event and storing what came of it: that is found
// again, for no checkpoint goes beyond it.
func TestStoppedBeforeStoring(t *testing.T) {
	set, problems := rulefmt.Load("rules.yaml", []byte(badCallRule))
	if problems.Errors() {
		t.Fatal(problems)
	}
	s := atRest(t, set)
	store := s.store
	put(t, store, birdCall("5001", 2.5))
	if err := s.normalize.RunStored(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	s.judge.cfg.Engine.Matched = func(*rules.Rule, *rules.Evidence) { stop() }
	if err := s.judge.fold(stopped, true); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	s.judge.cfg.Engine.Matched = nil
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.judge.fold(ctx, true) }()
	eventually(t, "the incident is stored", func() bool {
		all, err := store.LastTransitions(t.Context())
		return err == nil && len(all) == 1
	})
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
