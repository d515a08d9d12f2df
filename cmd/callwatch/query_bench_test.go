package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/stream"
)

// BenchmarkHistory is what a page waits for, over a store with a million events,
// or as many as CALLWATCH_BENCH_EVENTS says.
func BenchmarkHistory(b *testing.B) {
	stored := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("CALLWATCH_BENCH_EVENTS")); err == nil {
		stored = n
	}
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.Durability = b.TempDir(), "127.0.0.1:0", "os"
	a, err := newApp(b.Context(), cfg, serving, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.store.Close(context.Background()) })
	fill(b, a, stored)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	begun := time.Now()
	for _, stage := range a.query.Stages() {
		go func() { _ = stage(ctx) }()
	}
	if err := a.query.Indexed(ctx); err != nil {
		b.Fatal(err)
	}
	b.Logf("index of %d events: %v", stored, time.Since(begun).Round(time.Millisecond))

	h := a.reads()
	key := call.Key{Provider: "butter", CallID: fmt.Sprintf("call_%d", stored/5/2)}
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			if p, err := h.Events(ctx, backend.EventQuery{}); err != nil || len(p.Events) != 50 {
				b.Fatal(len(p.Events), err)
			}
		}
	})
	b.Run("page in the middle", func(b *testing.B) {
		for b.Loop() {
			if p, err := h.Events(ctx, backend.EventQuery{Before: uint64(stored / 2)}); err != nil || len(p.Events) != 50 {
				b.Fatal(len(p.Events), err)
			}
		}
	})
	b.Run("filter that nothing passes", func(b *testing.B) {
		for b.Loop() {
			if p, err := h.Events(ctx, backend.EventQuery{Filter: "mos < 1.1"}); err != nil || p.Next == 0 {
				b.Fatal(p.Next, err)
			}
		}
	})
	b.Run("call", func(b *testing.B) {
		for b.Loop() {
			if c, err := h.Call(ctx, key); err != nil || len(c.Events) != 5 {
				b.Fatal(len(c.Events), err)
			}
		}
	})
	b.Run("explain", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.Explain(ctx, key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("status", func(b *testing.B) {
		for b.Loop() {
			h.Status(ctx)
		}
	})
}

// fill stores events of calls with five events each, which come interleaved with
// those of a thousand other calls.
func fill(b *testing.B, a *app, n int) {
	b.Helper()
	if _, _, _, err := a.store.LastPublished(b.Context()); err != nil {
		b.Fatal(err)
	}
	at := time.Now().Add(-time.Hour).UTC()
	batch := make([]stream.Event, 0, 1000)
	for i := range n {
		round, place := i/5000, i%1000
		e := call.Event{Identity: call.Identity{
			ID: fmt.Sprintf("butter:%d", i), Provider: "butter", Kind: call.Stats, CallID: fmt.Sprintf("call_%d", round*1000+place),
			OccurredAt: at, ReceivedAt: at,
		}, RawID: "1.0"}
		e.Status, e.MOS, e.PacketsLost, e.JitterMs = call.InProgress, new(4.1), new(int64(i%90)), new(12.5)
		data, err := e.JSON()
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, stream.Event{
			Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Time: at, Raw: stream.Position{Seq: uint64(i + 1)}, Data: data,
		})
		if len(batch) == cap(batch) || i == n-1 {
			if err := a.store.PublishEvents(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}
