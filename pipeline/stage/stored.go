package stage

import (
	"context"

	"callwatch/normalizer"
	"callwatch/stream"
)

// LastStored is the last sequence of each stream by its name; empty while the
// store does not answer.
func LastStored(ctx context.Context, store *stream.Store) map[string]uint64 {
	last := map[string]uint64{}
	for _, s := range store.Health(ctx).Streams {
		last[s.Name] = s.Last
	}
	return last
}

// Record is a webhook, or what a provider answered, as it is stored.
func Record(b normalizer.Body) *stream.Record {
	return &stream.Record{
		Provider: b.Provider, Account: b.Account, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key,
		CallID: b.CallID, Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
	}
}
