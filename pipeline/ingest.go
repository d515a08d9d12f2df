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
}

// NewIngest counts the bodies that are being stored in traffic.
func NewIngest(store *stream.Store, traffic *Traffic) *Ingest {
	return &Ingest{store: store, traffic: traffic}
}

// Append stores a verified body and returns its id once it is durable.
func (i *Ingest) Append(ctx context.Context, b normalizer.Body) (id string, err error) {
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
