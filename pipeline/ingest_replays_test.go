package pipeline

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/normalizer"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/tombstone"
	"callwatch/stream"
)

func identity(b byte) normalizer.Identity {
	q := normalizer.Identity{Within: time.Minute}
	q.Digest[0] = b
	return q
}

// 2,000 identical requests at once are stored once, and each is answered with the id
// of that one, after it is durable.
func TestIdenticalRequestsAreStoredOnce(t *testing.T) {
	store, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Durability: stream.OS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.Background()) })
	var again atomic.Int64
	erased, err := tombstone.Open(t.Context(), store, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	in := NewIngest(IngestConfig{Store: store, Traffic: new(stage.Traffic), Again: func(string, string) { again.Add(1) }})
	in.Erased(erased, nil)
	ids, now := make([]string, 2000), time.Now()
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			var err error
			ids[i], err = in.Append(t.Context(), normalizer.Body{Provider: "atoms", Source: normalizer.Pushed, Bytes: []byte("{}"), ReceivedAt: now, Identity: identity(1)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("ids %q and %q", ids[0], id)
		}
	}
	if again.Load() != 1999 {
		t.Errorf("%d are counted as sent again", again.Load())
	}
	stored := 0
	err = store.StoredRecords(t.Context(), stream.Position{Seq: 1}, func(r []stream.Record) error {
		stored += len(r)
		return nil
	}, func(d *stream.Damage) { t.Error(d) })
	if stored != 1 || err != nil {
		t.Errorf("%d are stored, %v", stored, err)
	}
}

func TestReplaysAreBounded(t *testing.T) {
	r, now, stored := newReplays(3), time.Unix(1e9, 0), 0
	send := func(q normalizer.Identity, at time.Time) bool {
		t.Helper()
		_, before, err := r.once(t.Context(), q, at, func() (string, error) {
			stored++
			return strconv.Itoa(stored), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return before
	}
	if send(identity(1), now) || !send(identity(1), now.Add(59*time.Second)) || send(identity(1), now.Add(time.Minute)) {
		t.Error("a request counts as the same for other than its tolerance")
	}
	for i := range byte(3) {
		send(identity(2+i), now.Add(time.Minute))
	}
	if len(r.byID) != 3 || r.latest.Len() != 3 {
		t.Errorf("%d requests are remembered, at most 3 may be", len(r.byID))
	}
	if send(identity(1), now.Add(time.Minute)) {
		t.Error("the request seen first is still remembered")
	}
	if !send(identity(4), now.Add(time.Minute)) {
		t.Error("the request seen last is forgotten")
	}
}

// A copy that comes while the first is being stored waits for it, and stores itself
// where that fails.
func TestReplayWaitsForTheFirst(t *testing.T) {
	r, now := newReplays(3), time.Unix(1e9, 0)
	began, fail, failed := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, _, err := r.once(t.Context(), identity(1), now, func() (string, error) {
			close(began)
			<-fail
			return "", errors.New("disk full")
		})
		failed <- err
	}()
	<-began
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	never := func() (string, error) {
		t.Error("a copy is stored while the first is")
		return "", nil
	}
	if _, _, err := r.once(gone, identity(1), now, never); !errors.Is(err, context.Canceled) {
		t.Errorf("a copy does not wait: %v", err)
	}
	second := make(chan string)
	go func() {
		id, before, err := r.once(t.Context(), identity(1), now, func() (string, error) { return "2.0", nil })
		if before || err != nil {
			t.Errorf("%v, %v", before, err)
		}
		second <- id
	}()
	close(fail)
	if err := <-failed; err == nil {
		t.Error("the first is not told that it failed")
	}
	if id := <-second; id != "2.0" {
		t.Errorf("the second has the id %q", id)
	}
}
