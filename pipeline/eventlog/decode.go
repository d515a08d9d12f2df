package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"callwatch/call"
)

// leanEvent is call.Event less the providers' own members. Reading those is half
// the work of reading an event, and most rules do not look at them.
type leanEvent struct {
	call.Identity
	call.Facts
	Intervals []call.Interval `json:"intervals"`
	Turns     []call.Turn     `json:"turns"`
	Counters  *call.Counters  `json:"counters"`
	RawID     string          `json:"rawId"`
}

// Decode reads an event as encoding/json does, in half the time. raw decodes the
// providers' own members too.
func Decode(data []byte, raw bool, e *call.Event) error {
	if raw {
		return call.ReadEvent(data, e)
	}
	*e = call.Event{}
	var l leanEvent
	if err := Unmarshal(data, &l); err != nil {
		return err
	}
	*e = call.Event{Identity: l.Identity, Facts: l.Facts, Intervals: l.Intervals, Turns: l.Turns, Counters: l.Counters, RawID: l.RawID}
	return nil
}

// Unmarshal reads JSON as encoding/json does: names in any case, the last one of
// two members with one name.
func Unmarshal(data []byte, to any) error {
	return json.Unmarshal(data, to, jsonv1.DefaultOptionsV1())
}

// decodeForeign reads an event from a file, which anybody may have written. One
// without an id gets one from its content.
func decodeForeign(data []byte, raw bool) (Moment, error) {
	e := &call.Event{}
	if err := Decode(data, raw, e); err != nil {
		return Moment{}, fmt.Errorf("not an event: %w", err)
	}
	switch e.Kind {
	case call.Progress, call.Stats, call.Ended, call.Report:
	case "":
		return Moment{}, errors.New("not an event: kind is missing")
	default:
		return Moment{}, fmt.Errorf("not an event: kind is %.40q, not progress, stats, ended or report", e.Kind)
	}
	if e.Provider == "" || e.CallID == "" {
		return Moment{}, errors.New("not an event: provider and callId name the call, one of them is missing")
	}
	if e.ID == "" {
		sum := sha256.Sum256(data)
		e.ID = e.Provider + ":sha256-" + hex.EncodeToString(sum[:12])
		return Moment{At: TimeOf(e), Event: e}, nil
	}
	return Moment{At: TimeOf(e), Event: e, Text: bytes.Clone(data)}, nil // of a block of many lines
}

// TimeOf is the time at which an event counts that is not from the store; zero if
// it has none.
func TimeOf(e *call.Event) time.Time {
	for _, t := range []time.Time{e.ReceivedAt, e.EndedAt, e.OccurredAt} {
		if !t.IsZero() {
			return t.UTC()
		}
	}
	return time.Time{}
}
