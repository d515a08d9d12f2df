package eventlog

import (
	"context"
	"encoding/json"

	"callwatch/rules"
	"callwatch/stream"
)

// EachIncident passes on the incident of every stored transition, oldest first.
func EachIncident(ctx context.Context, store *stream.Store, fn func(*rules.Incident)) error {
	return store.StoredTransitions(ctx, func(t stream.Transition) error {
		var stored rules.Transition
		if json.Unmarshal(t.Data, &stored) == nil {
			fn(&stored.Incident)
		}
		return nil
	})
}
