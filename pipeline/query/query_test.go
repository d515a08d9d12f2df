package query

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
)

func testReader(t testing.TB) *Reader {
	t.Helper()
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	set, problems := rulefmt.Load("rules.yaml", []byte("rules:\n  - name: a\n    when: mos < 3\n"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	return New(Config{
		Turns: NewTurns(),
		Store: store, Rules: func() *rules.Set { return set }, Engine: func(func(*engine.Engine)) {}, Log: slog.New(slog.DiscardHandler),
	})
}

// A person who did something to an incident waits until the index has it, and no
// longer than a moment.
func TestCurrent(t *testing.T) {
	r := testReader(t)
	if _, err := r.cfg.Store.PutTransition(t.Context(), "rule", "key", stream.Cause{Seq: 1}, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if r.Current(t.Context()); time.Since(begun) < showWait {
		t.Error("did not wait for the index")
	}
	r.incidents.add(1, "inc_1", nil)
	ended, end := context.WithTimeout(t.Context(), showWait)
	defer end()
	if r.Current(ended); ended.Err() != nil {
		t.Error("waited for an index that has everything")
	}
}

// One backtest runs at a time.
func TestBacktestIsBusy(t *testing.T) {
	r := testReader(t)
	r.testing.Lock()
	_, busy := r.Backend().Backtest(t.Context(), backend.BacktestQuery{}, nil)
	r.testing.Unlock()
	if !errors.Is(busy, backend.ErrBusy) {
		t.Errorf("a second one: %v", busy)
	}
	if _, err := r.Backend().Backtest(t.Context(), backend.BacktestQuery{}, nil); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// BenchmarkIndex is the lookup of a call among a million events.
func BenchmarkIndex(b *testing.B) {
	x := newCallIndex()
	const stored = 1_000_000
	key := func(n int) uint64 {
		return x.hash(call.Key{Provider: "butter", CallID: string(rune('a'+n%26)) + time.Duration(n).String()})
	}
	for i := range stored {
		x.add(uint64(i+1), key(i/5)) //nolint:gosec // small
	}
	for b.Loop() {
		if len(x.find(key(stored/10))) < 5 {
			b.Fatal("not found")
		}
	}
}
