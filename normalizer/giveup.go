package normalizer

import (
	"encoding/json"
	"fmt"
	"time"

	"callwatch/call"
)

// givenUpType marks a record of our own, between the bodies of the providers:
// what the provider had to report about a call was not to be had. It is stored
// like a body, so that a replay sees the same call end.
const givenUpType = "application/vnd.callwatch.given-up+json"

type givenUp struct {
	CallID  string    `json:"callId"`
	EndedAt time.Time `json:"endedAt,omitzero"` // when the call ended, or was heard of
}

// GiveUp is the record that a call's report is no longer waited for. Of one call
// there is one event, however often the record is stored.
func GiveUp(k call.Key, endedAt, now time.Time) (Body, error) {
	bytes, err := json.Marshal(givenUp{k.CallID, endedAt})
	if err != nil {
		return Body{}, fmt.Errorf("give up the report of a call: %w", err)
	}
	return Body{
		Provider: k.Provider, Account: k.Account, Source: Fetched, ContentType: givenUpType, CallID: k.CallID,
		Bytes: bytes, ReceivedAt: now,
	}, nil
}

// isGivenUp says whether a body is such a record: no provider can send one.
func isGivenUp(b *Body) bool { return b.Source == Fetched && b.ContentType == givenUpType }

// normalizeGivenUp makes the call final. It says nothing else about it: what is
// not known stays unknown.
func normalizeGivenUp(b *Body) ([]call.Event, error) {
	var g givenUp
	if err := json.Unmarshal(b.Bytes, &g); err != nil {
		return nil, fmt.Errorf("read the record of a report that was given up: %w", err)
	}
	var e call.Event
	e.ID, e.CallID, e.Kind, e.Final = JoinID(g.CallID, "given-up"), g.CallID, call.Report, true
	e.OccurredAt = g.EndedAt
	return []call.Event{e}, nil
}
