package storage

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
	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
)

const (
	coldWebhooks = 3 * time.Second        // from the start of the process to the first webhook that is taken
	coldFactor   = 1.2                    // of the time that the bare server takes on the same files
	coldProcess  = 500 * time.Millisecond // to start a process, which the bare server needs not
	coldSteps    = 500                    // events that are made from one record
)

// Cold starts callwatch on a store with many events, after a clean stop and after kill -9,
// in turns with the bare server of NATS. Then a damaged block of the oldest events must be named
// while webhooks are taken.
func Cold(t *rig.Trial) error {
	if t.Short { // few events are open at once
		t.Enable = append(t.Enable, "slow-open")
	}
	r, err := t.Rig(4, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	r.Load.Rate = 20
	many := t.Times(20_000, 10_000_000)
	if err := makeEvents(t, r.Data, many); err != nil {
		return err
	}
	t.Count("%d events", many)
	var slow error
	for _, how := range []string{"a clean stop", "kill -9"} {
		index := func() error { return nil }
		if how == "kill -9" { // its index is then older than the events, which is as good as none
			index = func() error { return os.Remove(filepath.Join(eventBlocks(r.Data), "index.db")) }
		}
		if err := index(); err != nil {
			return err
		}
		bare, err := natstest.TimeToOpen(r.Data)
		if err != nil {
			return err
		}
		if err := index(); err != nil {
			return err
		}
		begun := time.Now()
		if err := r.Launch(); err != nil {
			return err
		}
		r.Load.Begin()
		if err := r.Await("a webhook is taken after "+how, 10*time.Minute, func() bool { return r.Load.Acked.Load() > 0 }); err != nil {
			return err
		}
		took := time.Since(begun)
		if err := r.Await("callwatch is ready after "+how, 10*time.Minute, func() bool { return r.Ready() == "" }); err != nil {
			return err
		}
		ready := time.Since(begun)
		r.Load.End()
		r.Load.Acked.Store(0)
		t.Count("after %s webhooks after %.1f s and ready after %.1f s, the bare server after %.1f s", how, took.Seconds(), ready.Seconds(), bare.Seconds())
		if limit := time.Duration(coldFactor*float64(bare)) + coldProcess; took > coldWebhooks || ready > limit {
			slow = fmt.Errorf("after %s webhooks after %v, ready after %v, limit %v", how, took, ready, limit)
		}
		if err := r.Stop(); err != nil {
			return err
		}
	}
	if err := killedOpening(r, 4); err != nil {
		return err
	}
	if err := namedBehind(r); err != nil {
		return err
	}
	if t.Short {
		return nil
	}
	return slow
}

// killedOpening kills callwatch while it takes webhooks and opens its store. Each webhook that
// was answered 200 must be stored once, under the id of its answer.
func killedOpening(r *rig.Rig, kills int) error {
	opening := 0
	r.Load.Begin()
	for range kills {
		if err := os.Remove(filepath.Join(eventBlocks(r.Data), "index.db")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := r.Launch(); err != nil {
			return err
		}
		if err := r.Taken(r.Dice.Int64N(20) + 1); err != nil {
			return err
		}
		if strings.Contains(r.Ready(), "starting: taking webhooks") {
			opening++
		}
		if r.Dice.IntN(3) == 0 { // some are killed while those webhooks are moved
			if err := r.Await("callwatch is ready", 10*time.Minute, func() bool { return r.Ready() == "" }); err != nil {
				return err
			}
		}
		r.Kill()
	}
	if opening == 0 {
		return errors.New("callwatch was never seen to take webhooks while it opened its store")
	}
	r.T.Count("%d kills, %d of them seen to be while it opened", kills, opening)
	if err := r.Afterwards(); err != nil {
		return err
	}
	return r.T.Finish(r.Product, r.Checker, "webhooks of these starts")
}

// namedBehind damages the oldest block of events and waits until it is named, while webhooks
// are taken.
func namedBehind(r *rig.Rig) error {
	block := filepath.Join(eventBlocks(r.Data), "1.blk")
	info, err := os.Stat(block)
	if err != nil {
		return err
	}
	if err := spoil(block, 8*(info.Size()/2)+2); err != nil {
		return err
	}
	if err := r.Begin(); err != nil {
		return err
	}
	defer r.Load.End()
	if err := r.Taken(1); err != nil {
		return err
	}
	limit := time.Minute
	if r.T.Mutate != variants.None {
		limit = 15 * time.Second
	}
	err = r.Await("the damaged block is named", limit, func() bool {
		_, ready, err := r.Get("/readyz?verbose")
		return err == nil && strings.Contains(ready, "integrity") && strings.Contains(ready, "1.blk")
	})
	if err != nil {
		return err
	}
	r.T.Count("a damaged old block named while webhooks were taken")
	return r.Taken(10)
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
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx)), rig.SyncAll(dir)) }()
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
