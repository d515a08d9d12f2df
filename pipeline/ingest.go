package pipeline

import (
	"context"
	"slices"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// Ingest stores verified bodies in RAW, the write-ahead log of everything after it.
type Ingest struct {
	store   *stream.Store
	traffic *Traffic
	seen    *replays
	again   func(provider string)
	erased  *Tombstones
	events  func(*stream.Record) ([]call.Event, error)
	late    func(provider string)
}

// IngestConfig is what ingesting needs.
type IngestConfig struct {
	Store   *stream.Store
	Traffic *Traffic
	// Again receives each request that was stored before.
	Again func(provider string)
	// Erased are the calls of which nothing is stored; Events names the calls of a
	// body.
	Erased *Tombstones
	Events func(*stream.Record) ([]call.Event, error)
	// Late receives each body that is not stored because its call was erased.
	Late func(provider string)
}

// NewIngest counts the bodies that are being stored in the traffic.
func NewIngest(c IngestConfig) *Ingest {
	return &Ingest{store: c.Store, traffic: c.Traffic, seen: newReplays(maxSeen), again: c.Again, erased: c.Erased, events: c.Events, late: c.Late}
}

// Append stores a verified body and returns its id once it is durable. A request that
// was stored within its provider's tolerance is not stored a second time: its id is
// that of the first. A body of erased calls alone is not stored; it has no id.
func (i *Ingest) Append(ctx context.Context, b normalizer.Body) (id string, err error) {
	if i.ofErased(&b) {
		i.late(b.Provider)
		return "", nil
	}
	if b.Identity.Within <= 0 {
		return i.append(ctx, b)
	}
	id, before, err := i.seen.once(ctx, b.Identity, b.ReceivedAt, func() (string, error) { return i.append(ctx, b) })
	if before && i.again != nil {
		i.again(b.Provider)
	}
	return id, err
}

func (i *Ingest) append(ctx context.Context, b normalizer.Body) (id string, err error) {
	i.traffic.begin()
	defer i.traffic.end()
	return i.store.Append(ctx, *recordOf(b))
}

// ofErased reports whether all that a body tells is about erased calls.
func (i *Ingest) ofErased(b *normalizer.Body) bool {
	if !i.erased.Any() {
		return false
	}
	if b.CallID != "" && i.erased.Has(call.Key{Provider: b.Provider, CallID: b.CallID}) {
		return true
	}
	events, err := i.events(recordOf(*b))
	return err == nil && len(events) > 0 && !slices.ContainsFunc(events, func(e call.Event) bool { return !i.erased.Of(e.Provider, e.CallID, e.Aliases) })
}

func recordOf(b normalizer.Body) *stream.Record {
	return &stream.Record{
		Provider: b.Provider, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key,
		CallID: b.CallID, Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
	}
}
