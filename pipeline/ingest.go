package pipeline

import (
	"context"

	"callwatch/normalizer"
	"callwatch/stream"
)

// Ingest stores verified bodies in RAW, the write-ahead log of everything after it.
type Ingest struct {
	store   *stream.Store
	traffic *Traffic
	seen    *replays
	again   func(provider string)
}

// NewIngest counts the bodies that are being stored in traffic. again, which may be
// nil, receives each request that was stored before.
func NewIngest(store *stream.Store, traffic *Traffic, again func(provider string)) *Ingest {
	return &Ingest{store: store, traffic: traffic, seen: newReplays(maxSeen), again: again}
}

// Append stores a verified body and returns its id once it is durable. A request that
// was stored within its provider's tolerance is not stored a second time: its id is
// that of the first.
func (i *Ingest) Append(ctx context.Context, b normalizer.Body) (id string, err error) {
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

func recordOf(b normalizer.Body) *stream.Record {
	return &stream.Record{
		Provider: b.Provider, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key,
		CallID: b.CallID, Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
	}
}
