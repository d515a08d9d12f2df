package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/stream"
)

// A captured request that is sent 2,000 times is answered 200 each time, with the id
// under which it is stored once. Another body is stored, and so is the same one once
// the tolerance is over.
func TestCapturedRequestIsStoredOnce(t *testing.T) {
	var ahead atomic.Int64
	a, base := running(t, func(c *config.Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		c.Providers = map[string]map[string]config.Secret{}
		c.SetProvider("atoms", normalizer.URLToken, proofToken)
	})
	send := func(body string) (id string) {
		res, err := http.Post(base+"/webhooks/atoms/"+proofToken, "application/json", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return ""
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		var answer struct{ ID string }
		if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(b, &answer) != nil || answer.ID == "" {
			t.Errorf("answered %d %s, %v", res.StatusCode, b, err)
		}
		return answer.ID
	}
	const body = `{"event_type":"call.ended","call_id":"captured-%d"}`
	var mu sync.Mutex
	ids := map[string]int{}
	var sending sync.WaitGroup
	for range 20 {
		sending.Go(func() {
			for range 100 {
				id := send(fmt.Sprintf(body, 1))
				mu.Lock()
				ids[id]++
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	if len(ids) != 1 {
		t.Errorf("2,000 requests have %d ids", len(ids))
	}
	if _, same := ids[send(fmt.Sprintf(body, 2))]; same {
		t.Error("another body has the id of the first")
	}
	stored := func() (n int) {
		err := a.store.RecordsSince(t.Context(), time.Time{}, func(records []stream.Record, _ uint64) error {
			n += len(records)
			return nil
		}, func(*stream.Damage) {})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := stored(); n != 2 {
		t.Errorf("%d records are stored, want 2", n)
	}
	for _, later := range []struct {
		by   time.Duration
		want int
	}{{23 * time.Hour, 2}, {25 * time.Hour, 3}} {
		ahead.Store(int64(later.by))
		send(fmt.Sprintf(body, 1))
		if n := stored(); n != later.want {
			t.Errorf("sent again after %v: %d records, want %d", later.by, n, later.want)
		}
	}
}
