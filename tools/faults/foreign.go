package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"callwatch/stream/natstest"
)

// foreign publishes garbage on every subject and bucket of the store, of a running
// callwatch and before its next start. The embedded server takes nothing from
// others, so that the store is on a server of its own.
func foreign(t *trial) error {
	url, stopServer, err := natstest.Single(filepath.Join(t.dir, "nats"))
	if err != nil {
		return err
	}
	defer stopServer()
	r, err := t.rig(8, 0.6)
	if err != nil {
		return err
	}
	defer r.close()
	r.setenv("CALLWATCH_NATS_URL", url)
	stored, littered := 0, map[string]bool{}
	litter := func() error {
		taken, err := natstest.Litter(t, url)
		for name, n := range taken {
			stored += n
			littered[shortName(name)] = true
		}
		return err
	}
	rounds, unnamed := t.times(2, 10), 0
	for round := range rounds {
		if err := r.start(); err != nil {
			return fmt.Errorf("start %d on a littered store: %w", round+1, err)
		}
		if round > 0 { // by the process that found it in its store
			unnamed += r.unnamed(littered)
		}
		if r.l.requests, err = r.traffic(t.seed+uint64(round), t.times(40, 200), 0.6); err != nil {
			return err
		}
		r.l.begin()
		if err := errors.Join(r.taken(20), litter()); err != nil {
			return err
		}
		r.l.drain()
		if err := r.settled(t.patience()); err != nil {
			return err
		}
		unnamed += r.unnamed(littered)
		_, ready, err := r.get("/readyz?verbose")
		if err != nil {
			return err
		}
		if !strings.Contains(ready, "not from callwatch") {
			unnamed++
			t.say("readiness does not name the garbage: %.500s", ready)
		}
		if err := errors.Join(r.stop(), litter()); err != nil {
			return err
		}
	}
	t.count("%d foreign messages in %d streams and buckets, before and after %d starts, %d not named", stored, len(littered), rounds, unnamed)
	if err := r.start(); err != nil {
		return fmt.Errorf("start on a littered store: %w", err)
	}
	r.data = url
	if err := t.finish(r.product, r.w, "alerts as without them"); err != nil {
		return err
	}
	if len(littered) < 10 || unnamed > 0 {
		return fmt.Errorf("%d foreign messages stored, %d streams not named", stored, unnamed)
	}
	return nil
}

// shortName is how callwatch calls a stream or bucket.
func shortName(stream string) string {
	if bucket, ok := strings.CutPrefix(stream, "KV_callwatch_"); ok {
		return "bucket " + bucket
	}
	return strings.ToLower(strings.TrimPrefix(stream, "CALLWATCH_"))
}

// unnamed is in how many of the streams and buckets callwatch has not noticed the garbage. It looks
// through those that no stage reads every few seconds.
func (r *rig) unnamed(littered map[string]bool) (n int) {
	for _, name := range slices.Sorted(maps.Keys(littered)) {
		sample := `callwatch_foreign_messages_total{stream="` + name + `"}`
		err := r.await("foreign messages are counted in "+name, r.t.patience(), func() bool {
			n := r.metric(sample)
			return n != "" && n != "0"
		})
		if err != nil {
			n++
			r.t.say("%v", err)
		}
	}
	return n
}
