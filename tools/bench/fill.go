package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/stream"
	"callwatch/stream/frame"
)

const (
	fillAtOnce = 16 << 10 // records that are stored side by side
	fillSpan   = 30 * 24 * time.Hour
	rawID      = "0.0" // in the event all others are made from
)

// filler puts calls of the last thirty days into a store as an import does: a
// record in RAW and its event, which wakes no rule. It is how a store becomes large
// without the hours that its webhooks would take.
type filler struct {
	store *stream.Store
	body  []byte
	event stream.Event
	made  normalizer.Body
}

func newFiller(store *stream.Store, now time.Time) (*filler, error) {
	p, ok := registry.Find("signalwire")
	if !ok {
		return nil, fmt.Errorf("no normalizer for the bodies of this row")
	}
	body, _ := callback(small, "4.4", "2", now)
	f := &filler{store: store, body: []byte(body)}
	f.made = normalizer.Body{
		Provider: p.Name, Source: normalizer.Imported, ContentType: "application/x-www-form-urlencoded",
		Bytes: f.body, ReceivedAt: now, RawID: rawID,
	}
	events, err := normalizer.Events(p, &f.made, normalizer.Options{})
	if err != nil || len(events) != 1 {
		return nil, fmt.Errorf("the body makes %d events: %w", len(events), err)
	}
	e := &events[0]
	f.event = stream.Event{Provider: e.Provider, Kind: string(e.Kind), ID: e.ID, CallID: e.CallID, Time: e.OccurredAt, Source: string(normalizer.Imported)}
	f.event.Data, err = e.JSON()
	return f, err
}

// fill stores the calls with the numbers from first up to, not with, end.
func fill(ctx context.Context, dir string, first, end uint64) (err error) {
	store, err := stream.Open(ctx, stream.Config{Dir: dir, Durability: stream.OS, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() {
		if closed := store.Close(context.WithoutCancel(ctx)); err == nil {
			err = closed
		}
	}()
	now := time.Now()
	f, err := newFiller(store, now)
	if err != nil {
		return err
	}
	if _, _, _, err := store.LastPublished(ctx); err != nil {
		return err
	}
	for ; first < end; first += fillAtOnce {
		n := min(fillAtOnce, end-first)
		if err := f.some(ctx, first, int(n), now.Add(-fillSpan*time.Duration(end-first)/time.Duration(end))); err != nil { //nolint:gosec // below 2^14
			return err
		}
	}
	return nil
}

// some stores n calls: their records side by side, then their events in the order
// of those.
func (f *filler) some(ctx context.Context, first uint64, n int, at time.Time) error {
	events, errs := make([]stream.Event, n), make([]error, n)
	var group sync.WaitGroup
	const side = 512
	for worker := range side {
		group.Go(func() {
			for i := worker; i < n && errs[worker] == nil; i += side {
				events[i], errs[worker] = f.one(ctx, first+uint64(i), at) //nolint:gosec // never negative
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	slices.SortFunc(events, func(a, b stream.Event) int {
		if a.Raw.Before(b.Raw) {
			return -1
		}
		return 1
	})
	return f.store.PublishEvents(ctx, events)
}

func (f *filler) one(ctx context.Context, n uint64, at time.Time) (stream.Event, error) {
	digits := digits(n)
	r := stream.Record{
		Provider: f.made.Provider, Source: string(f.made.Source), ContentType: f.made.ContentType,
		ReceivedAt: at, CountsAt: at, Body: bytes.ReplaceAll(f.body, []byte(number), []byte(digits)),
	}
	id, err := f.store.Append(ctx, r)
	if err != nil {
		return stream.Event{}, fmt.Errorf("store call %d: %w", n, err)
	}
	e := f.event
	if e.Raw, err = frame.ParsePosition(id); err != nil {
		return e, err
	}
	e.CountsAt, e.CallID = at, string(bytes.ReplaceAll([]byte(e.CallID), []byte(number), []byte(digits)))
	e.ID += "-" + strconv.FormatUint(n, 10)
	e.Data = bytes.ReplaceAll(bytes.ReplaceAll(e.Data, []byte(number), []byte(digits)), []byte(`"`+rawID+`"`), []byte(`"`+id+`"`))
	return e, nil
}
