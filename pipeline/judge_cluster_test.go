package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"callwatch/rules/rulefmt"
	"callwatch/stream"
	"callwatch/stream/natstest"
)

// A store that does not answer is no reason to judge everything again.
func TestCheckpointOfAStoreThatIsAway(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three servers")
	}
	c, err := natstest.Start(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	entry, err := c.Enter()
	if err != nil {
		t.Fatal(err)
	}
	store, err := stream.Open(t.Context(), stream.Config{URL: entry.URL, Replicas: 3, Patience: time.Minute, Log: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	set, problems := rulefmt.Load("rules.yaml", []byte(badCallRule))
	if problems.Errors() {
		t.Fatal(problems)
	}
	judge := stagesOn(t, store, set).judge
	for i := range 3 {
		c.KillNode(i)
	}
	if g, err := judge.restore(t.Context()); !errors.Is(err, stream.ErrUnavailable) || g != nil {
		t.Errorf("without servers: %v", err)
	}
	for i := range 3 {
		if err := c.StartNode(i); err != nil {
			t.Fatal(err)
		}
	}
}
