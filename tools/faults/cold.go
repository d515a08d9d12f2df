package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/stream"
	"callwatch/stream/frame"
	"callwatch/stream/natstest"
	"callwatch/tools/faults/variants"
)

const (
	coldWebhooks = 3 * time.Second        // from the start of the process to the first webhook that is taken
	coldFactor   = 1.2                    // of the time that the bare server takes on the same files
	coldProcess  = 500 * time.Millisecond // to start a process, which the bare server needs not
	coldSteps    = 500                    // events that are made from one record
)

// cold starts callwatch on a store with many events, after a clean stop and after kill -9,
// in turns with the bare server of NATS. Then a damaged block of the oldest events must be named
// while webhooks are taken.
func cold(t *trial) error {
	if t.short { // few events are open at once
		t.enable = append(t.enable, "slow-open")
	}
	r, err := t.rig(4, 0)
	if err != nil {
		return err
	}
	defer r.close()
	r.l.rate = 20
	many := t.times(20_000, 10_000_000)
	if err := makeEvents(t, r.data, many); err != nil {
		return err
	}
	t.count("%d events", many)
	var slow error
	for _, how := range []string{"a clean stop", "kill -9"} {
		index := func() error { return nil }
		if how == "kill -9" { // its index is then older than the events, which is as good as none
			index = func() error { return os.Remove(filepath.Join(eventBlocks(r.data), "index.db")) }
		}
		if err := index(); err != nil {
			return err
		}
		bare, err := natstest.TimeToOpen(r.data)
		if err != nil {
			return err
		}
		if err := index(); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.launch(); err != nil {
			return err
		}
		r.l.begin()
		if err := r.await("a webhook is taken after "+how, 10*time.Minute, func() bool { return r.l.acked.Load() > 0 }); err != nil {
			return err
		}
		took := time.Since(begun)
		if err := r.await("callwatch is ready after "+how, 10*time.Minute, func() bool { return r.ready() == "" }); err != nil {
			return err
		}
		ready := time.Since(begun)
		r.l.end()
		r.l.acked.Store(0)
		t.count("after %s webhooks after %.1f s and ready after %.1f s, the bare server after %.1f s", how, took.Seconds(), ready.Seconds(), bare.Seconds())
		if limit := time.Duration(coldFactor*float64(bare)) + coldProcess; took > coldWebhooks || ready > limit {
			slow = fmt.Errorf("after %s webhooks after %v, ready after %v, limit %v", how, took, ready, limit)
		}
		if err := r.stop(); err != nil {
			return err
		}
	}
	if err := r.killedOpening(4); err != nil {
		return err
	}
	if err := r.namedBehind(); err != nil {
		return err
	}
	if t.short {
		return nil
	}
	return slow
}

// killedOpening kills callwatch while it takes webhooks and opens its store. Each webhook that
// was answered 200 must be stored once, under the id of its answer.
func (r *rig) killedOpening(kills int) error {
	opening := 0
	r.l.begin()
	for range kills {
		if err := os.Remove(filepath.Join(eventBlocks(r.data), "index.db")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := r.launch(); err != nil {
			return err
		}
		if err := r.taken(r.dice.Int64N(20) + 1); err != nil {
			return err
		}
		if strings.Contains(r.ready(), "starting: taking webhooks") {
			opening++
		}
		if r.dice.IntN(3) == 0 { // some are killed while those webhooks are moved
			if err := r.await("callwatch is ready", 10*time.Minute, func() bool { return r.ready() == "" }); err != nil {
				return err
			}
		}
		r.kill()
	}
	if opening == 0 {
		return errors.New("callwatch was never seen to take webhooks while it opened its store")
	}
	r.t.count("%d kills, %d of them seen to be while it opened", kills, opening)
	if err := r.afterwards(); err != nil {
		return err
	}
	return r.t.finish(r.product, r.w, "webhooks of these starts")
}

// namedBehind damages the oldest block of events and waits until it is named, while webhooks
// are taken.
func (r *rig) namedBehind() error {
	block := filepath.Join(eventBlocks(r.data), "1.blk")
	info, err := os.Stat(block)
	if err != nil {
		return err
	}
	if err := spoil(block, 8*(info.Size()/2)+2); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	defer r.l.end()
	if err := r.taken(1); err != nil {
		return err
	}
	limit := time.Minute
	if r.t.mutate != variants.None {
		limit = 15 * time.Second
	}
	err = r.await("the damaged block is named", limit, func() bool {
		_, ready, err := r.get("/readyz?verbose")
		return err == nil && strings.Contains(ready, "integrity") && strings.Contains(ready, "1.blk")
	})
	if err != nil {
		return err
	}
	r.t.count("a damaged old block named while webhooks were taken")
	return r.taken(10)
}

func eventBlocks(data string) string {
	return filepath.Join(data, "jetstream", "$G", "streams", "CALLWATCH_EVENTS", "msgs")
}

// makeEvents puts events into a store, as an import does: they wake no rule.
func makeEvents(ctx context.Context, dir string, many int) (err error) {
	store, err := stream.Open(ctx, stream.Config{Dir: dir, Durability: stream.OS})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx)), syncAll(dir)) }()
	if _, _, _, err := store.LastPublished(ctx); err != nil {
		return err
	}
	p, ok := registry.Find("telnyx")
	if !ok {
		return errors.New("no provider for the events")
	}
	now := time.Now().UTC()
	body := normalizer.Trust(p, &normalizer.Request{
		Header: http.Header{}, ReceivedAt: now, ContentType: "application/json",
		Body: []byte(`{"data":{"event_type":"call.hangup","id":"e0","occurred_at":"2026-01-05T12:00:00Z","payload":{"call_control_id":"c0","call_leg_id":"l0","hangup_cause":"normal_clearing"}}}`),
	}).Body()
	for made := 0; made < many; made += coldSteps {
		id, err := store.Append(ctx, stream.Record{Provider: body.Provider, Source: string(normalizer.Imported), ContentType: body.ContentType, ReceivedAt: now, Body: body.Bytes})
		if err != nil {
			return err
		}
		at, err := frame.ParsePosition(id)
		if err != nil {
			return err
		}
		events := make([]stream.Event, coldSteps)
		for i := range events {
			n := made + i
			events[i] = stream.Event{
				Provider: "telnyx", Kind: "ended", ID: fmt.Sprint("e", n), CallID: fmt.Sprint("c", n), Time: now, Raw: at, Index: i,
				Source: string(normalizer.Imported), CountsAt: now,
				Data: fmt.Appendf(nil, `{"id":"e%d","provider":"telnyx","callId":"c%d","kind":"ended","occurredAt":"2026-01-05T12:00:00Z","durationSec":61,"hangupCause":"normal_clearing","raw":{"call_leg_id":"leg-%d","tags":["a","b","c"],"custom_headers":[{"name":"X-Tenant","value":"%d"}],"call_quality_stats":{"inbound":{"jitter_max_variance":"1.20","jitter_packet_count":"0","mos":"4.20","packet_count":"3051","skip_packet_count":"0"},"outbound":{"packet_count":"3050","skip_packet_count":"0"}}}}`, n, n, n, n),
			}
		}
		if err := store.PublishEvents(ctx, events); err != nil {
			return err
		}
	}
	return nil
}
