package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// knownCalls are the calls of a provider that stored events tell of.
type knownCalls struct {
	ended    map[string]bool   // by id: their end or report is stored
	sessions map[string]string // id of the call by sessionId
}

// readKnown reads the events that were stored since a time, live and past.
func readKnown(ctx context.Context, store *stream.Store, provider string, since time.Time) (knownCalls, error) {
	known := knownCalls{ended: map[string]bool{}, sessions: map[string]string{}}
	err := store.EventsSince(ctx, since, func(m stream.Message) error {
		if m.Provider() != provider || m.Kind() == nothingKind {
			return ctx.Err()
		}
		if m.Kind() == string(call.Ended) || m.Kind() == string(call.Report) {
			known.ended[m.CallID()] = true
		}
		var e call.Event
		if decodeEvent(m.Data, false, &e) == nil && e.SessionID != "" {
			if _, told := known.sessions[e.SessionID]; !told {
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

// asStored gives a listed call the id under which events are stored, where webhooks
// know it by another than the list does.
func (k knownCalls) asStored(c normalizer.Listed) normalizer.Listed {
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
