package pipeline

import (
	"context"
	"slices"
	"sync/atomic"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/tombstone"
	"callwatch/stream"
)

// Ingest stores verified bodies in RAW, the write-ahead log of everything after it.
type Ingest struct {
	store   *stream.Store
	traffic *stage.Traffic
	seen    *replays
	again   func(provider, account string)
	late    func(provider, account string)
	erased  atomic.Pointer[erasedCalls]
}

// erasedCalls are those of which nothing is stored, and what names the calls of a body.
type erasedCalls struct {
	*tombstone.Set
	events func(*stream.Record) ([]call.Event, error)
}

// IngestConfig is what ingesting needs.
type IngestConfig struct {
	Store   *stream.Store
	Traffic *stage.Traffic
	// Again receives each request that was stored before.
	Again func(provider, account string)
	// Late receives each body that is not stored because its call was erased.
	Late func(provider, account string)
}

// NewIngest counts the bodies that are being stored in the traffic.
func NewIngest(c IngestConfig) *Ingest {
	return &Ingest{store: c.Store, traffic: c.Traffic, seen: newReplays(maxSeen), again: c.Again, late: c.Late}
}

// Erased sets the calls of which nothing is stored; events names the calls of a body.
// Before, all is stored: normalizing finds what is of an erased call, and overwrites it.
func (i *Ingest) Erased(t *tombstone.Set, events func(*stream.Record) ([]call.Event, error)) {
	i.erased.Store(&erasedCalls{t, events})
}

// Append stores a verified body and returns its id once it is durable. A request that
// was stored within its provider's tolerance is not stored a second time: its id is
// that of the first. A body of erased calls alone is not stored; it has no id.
func (i *Ingest) Append(ctx context.Context, b normalizer.Body) (id string, err error) {
	if i.ofErased(&b) {
		i.late(b.Provider, b.Account)
		return "", nil
	}
	store := func() (string, error) {
		i.traffic.Begin()
		defer i.traffic.End()
		return i.store.Append(ctx, *stage.Record(b))
	}
	if b.Identity.Within <= 0 {
		return store()
	}
	id, before, err := i.seen.once(ctx, b.Identity, b.ReceivedAt, store)
	if before && i.again != nil {
		i.again(b.Provider, b.Account)
	}
	return id, err
}

// ofErased reports whether all that a body tells is about erased calls.
func (i *Ingest) ofErased(b *normalizer.Body) bool {
	erased := i.erased.Load()
	if erased == nil || !erased.Any() {
		return false
	}
	if b.CallID != "" && erased.Has(call.Key{Provider: b.Provider, Account: b.Account, CallID: b.CallID}) {
		return true
	}
	events, err := erased.events(stage.Record(*b))
	return err == nil && len(events) > 0 && !slices.ContainsFunc(events, func(e call.Event) bool { return !erased.Of(e.Key(), e.Aliases) })
}
