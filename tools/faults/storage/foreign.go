package storage

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"callwatch/stream/natstest"
	"callwatch/tools/faults/rig"
)

// Foreign publishes garbage on every subject and bucket of the store, of a running
// callwatch and before its next start. The embedded server takes nothing from
// others, so that the store is on a server of its own.
func Foreign(t *rig.Trial) error {
	url, stopServer, err := natstest.Single(filepath.Join(t.Dir, "nats"))
	if err != nil {
		return err
	}
	defer stopServer()
	r, err := t.Rig(8, 0.6)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Setenv("CALLWATCH_NATS_URL", url)
	stored, littered := 0, map[string]bool{}
	litter := func() error {
		taken, err := natstest.Litter(t, url)
		for name, n := range taken {
			stored += n
			littered[shortName(name)] = true
		}
		return err
	}
	rounds, unnamed := t.Times(2, 10), 0
	for round := range rounds {
		if err := r.Start(); err != nil {
			return fmt.Errorf("start %d on a littered store: %w", round+1, err)
		}
		if round > 0 { // by the process that found it in its store
			unnamed += notNoticed(r, littered)
		}
		if r.Load.Requests, err = r.Traffic(t.Seed+uint64(round), t.Times(40, 200), 0.6); err != nil {
			return err
		}
		r.Load.Begin()
		if err := errors.Join(r.Taken(20), litter()); err != nil {
			return err
		}
		r.Load.Drain()
		if err := r.Settled(t.Patience()); err != nil {
			return err
		}
		unnamed += notNoticed(r, littered)
		_, ready, err := r.Get("/readyz?verbose")
		if err != nil {
			return err
		}
		if !strings.Contains(ready, "not from callwatch") {
			unnamed++
			t.Say("readiness does not name the garbage: %.500s", ready)
		}
		if err := errors.Join(r.Stop(), litter()); err != nil {
			return err
		}
	}
	t.Count("%d foreign messages in %d streams and buckets, before and after %d starts, %d not named", stored, len(littered), rounds, unnamed)
	if err := r.Start(); err != nil {
		return fmt.Errorf("start on a littered store: %w", err)
	}
	r.Data = url
	if err := t.Finish(r.Product, r.Checker, "alerts as without them"); err != nil {
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

// notNoticed is in how many of the streams and buckets callwatch has not noticed the garbage. It looks
// through those that no stage reads every few seconds.
func notNoticed(r *rig.Rig, littered map[string]bool) (n int) {
	for _, name := range slices.Sorted(maps.Keys(littered)) {
		sample := `callwatch_foreign_messages_total{stream="` + name + `"}`
		err := r.Await("foreign messages are counted in "+name, r.T.Patience(), func() bool {
			n := r.Metric(sample)
			return n != "" && n != "0"
		})
		if err != nil {
			n++
			r.T.Say("%v", err)
		}
	}
	return n
}
