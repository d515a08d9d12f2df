package eventlog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// Known are the calls of an account of a provider of which events are stored.
type Known struct {
	Ended    map[string]bool   // by id: their end or report is stored
	sessions map[string]string // id of the call by sessionId
}

// ReadKnown reads the events that were stored since a time, live and backfilled.
func ReadKnown(ctx context.Context, store *stream.Store, provider, account string, since time.Time) (Known, error) {
	known := Known{Ended: map[string]bool{}, sessions: map[string]string{}}
	err := store.EventsSince(ctx, since, func(m stream.Message) error {
		if m.Provider() != provider || m.Account() != account || m.Kind() == NoEvent {
			return ctx.Err()
		}
		if m.Kind() == string(call.Ended) || m.Kind() == string(call.Report) {
			known.Ended[m.CallID()] = true
		}
		var e call.Event
		if Decode(m.Data, false, &e) == nil && e.SessionID != "" {
			if _, found := known.sessions[e.SessionID]; !found {
				known.sessions[e.SessionID] = e.CallID
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return known, fmt.Errorf("read which calls are known: %w", err)
	}
	return known, nil
}

// AsStored gives a listed call the id under which its events are stored, if
// webhooks use another id than the list.
func (k Known) AsStored(c normalizer.Listed) normalizer.Listed {
	id := k.sessions[c.SessionID]
	if c.SessionID == "" || id == "" || id == c.CallID {
		return c
	}
	c.CallID = id
	c.Asks = slices.Clone(c.Asks)
	for i := range c.Asks {
		c.Asks[i].CallID = id
	}
	return c
}
