package query

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/stream"
)

// ScanCall is everything stored about one call, found without an index; the error
// is backend.ErrNotFound if there is nothing. Commands use it where no callwatch
// runs.
func ScanCall(ctx context.Context, store *stream.Store, k call.Key, with call.Folding, log *slog.Logger) (backend.CallHistory, error) {
	var page backend.CallHistory
	messages, err := eventlog.OfCall(ctx, store, k)
	if err != nil {
		return page, fmt.Errorf("read the call: %w", err)
	}
	if len(messages) == 0 {
		return page, backend.ErrNotFound
	}
	var fold call.Call
	for i := range messages {
		e := backend.StoredEvent{Seq: messages[i].Seq, At: messages[i].CountsAt()}
		if err := json.Unmarshal(messages[i].Data, &e.Event); err != nil {
			log.Error("stored event cannot be read", "seq", e.Seq, "err", err)
			continue
		}
		fold.FoldWith(&e.Event, with)
		page.Events = append(page.Events, e)
	}
	page.Call = fold.Event
	page.Incidents, err = scanIncidents(ctx, store, k)
	return page, err
}

// scanIncidents are the incidents that name a call, newest first, as they are in
// the last transition of their rule and key.
func scanIncidents(ctx context.Context, store *stream.Store, k call.Key) ([]rules.Incident, error) {
	found := []rules.Incident{}
	err := eventlog.EachIncident(ctx, store, func(in *rules.Incident) {
		if in.Names(k) {
			found = slices.DeleteFunc(found, func(had rules.Incident) bool { return had.ID == in.ID })
			found = append(found, *in)
		}
	})
	slices.SortFunc(found, func(a, b rules.Incident) int { return b.OpenedAt.Compare(a.OpenedAt) })
	return found, err
}
