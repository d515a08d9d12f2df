package main

import (
	"errors"
	"fmt"
	"path/filepath"
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
	stored := 0
	litter := func() error {
		n, err := natstest.Litter(t, url)
		stored += n
		return err
	}
	rounds, unnamed := t.times(2, 10), 0
	for round := range rounds {
		if err := r.start(); err != nil {
			return fmt.Errorf("start %d on a littered store: %w", round+1, err)
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
		// Readiness looks through the streams that no stage reads every few seconds.
		for _, stream := range []string{"events", "raw", "alerts", "bucket meta"} {
			sample := `callwatch_foreign_messages_total{stream="` + stream + `"}`
			err := r.await("foreign messages are counted in "+stream, t.patience(), func() bool {
				n := r.metric(sample)
				return n != "" && n != "0"
			})
			if err != nil {
				unnamed++
				t.say("%v", err)
			}
		}
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
	t.count("%d foreign messages before and after %d starts, %d streams not named", stored, rounds, unnamed)
	if err := r.start(); err != nil {
		return fmt.Errorf("start on a littered store: %w", err)
	}
	r.data = url
	if err := t.finish(r.product, r.w, "alerts as without them"); err != nil {
		return err
	}
	if stored == 0 || unnamed > 0 {
		return fmt.Errorf("%d foreign messages stored, %d streams not named", stored, unnamed)
	}
	return nil
}
