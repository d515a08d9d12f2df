package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/tombstone"
	"callwatch/rules"
	"callwatch/stream"
)

func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const limit = 30 * time.Second
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// setup is the stages on a store of their own; none of them runs.
type setup struct {
	store     *stream.Store
	leases    *stage.Leases
	traffic   *stage.Traffic
	erased    *tombstone.Set
	normalize *Normalize
	judge     *Judge
	published int // events
	recent    *eventlog.Recent
}

func atRest(t *testing.T, set *rules.Set) *setup {
	t.Helper()
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Log: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.WithoutCancel(t.Context())) })
	return stagesOn(t, store, set)
}

func stagesOn(t *testing.T, store *stream.Store, set *rules.Set) *setup {
	t.Helper()
	s := &setup{store: store, traffic: new(stage.Traffic), recent: new(eventlog.Recent)}
	s.leases = stage.NewLeases(store, func(string, bool) {})
	var err error
	if s.erased, err = tombstone.Open(t.Context(), store, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.normalize = s.newNormalize(t)
	s.judge = NewJudge(JudgeConfig{
		Store: store, Leases: s.leases, Traffic: s.traffic, Rules: set, Erased: s.erased,
		Judged: func(Judgement) {}, Stored: func(rules.Transition) {}, Recent: s.recent, Log: testLogger(t),
	})
	return s
}

func (s *setup) newNormalize(t *testing.T) *Normalize {
	t.Helper()
	return NewNormalize(NormalizeConfig{
		Providers: registry.Providers(),
		Store:     s.store, Leases: s.leases, Traffic: s.traffic, Damage: NewDamage(testLogger(t)),
		Find: func(name, _ string) (normalizer.Provider, normalizer.Options, bool) {
			p, ok := registry.Find(name)
			return p, normalizer.Options{}, ok
		},
		Normalized: func(*stream.Record, time.Time, int, error) {}, Published: func(n int) { s.published += n },
		Erased: s.erased, Late: func(string, string) {}, Recent: s.recent, Log: testLogger(t),
	})
}

func put(t *testing.T, store *stream.Store, r stream.Record) {
	t.Helper()
	if _, err := store.Append(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// birdCall is the webhook of a call that has ended.
func birdCall(id string, mos float64) stream.Record {
	return stream.Record{
		Provider: "bird", Source: "webhook", ContentType: "application/json", ReceivedAt: time.Now().UTC(),
		Body: fmt.Appendf(nil, `{"event":"voice.outbound","service":"channels","payload":{"id":%q,"channelId":"c1","status":"completed",`+
			`"direction":"outgoing","to":"+1555010%s","duration":40,"mediaMetrics":{"mos":%g}}}`, "leg-"+id, id, mos),
	}
}
