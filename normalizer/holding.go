package normalizer

import (
	"slices"

	"callwatch/call"
	"callwatch/normalizer/lenient"
)

// HoldingOf makes the Holds of a provider from its mapping: an answer is worth
// storing once it describes a call that is over, and whole when whole says so of
// one of its events. An answer that the mapping does not understand is whole:
// it is stored, and becomes a dead letter that can be read and replayed.
func HoldingOf(normalize func(b *Body) ([]call.Event, error), whole func(e *call.Event) bool) func(a Ask, answer []byte) Holding {
	return func(a Ask, answer []byte) Holding {
		n, err := lenient.ParseJSON(answer)
		if err != nil {
			return Whole
		}
		if n.IsFalse("status") || n.IsFalse("success") || n.IsList() && len(n.List()) == 0 || n.IsNull() {
			return Nothing
		}
		events, err := normalize(&Body{Source: Fetched, ContentType: "application/json", Bytes: answer, CallID: a.CallID})
		if err != nil {
			if ErrorAnswer(n) != nil {
				return Nothing
			}
			return Whole
		}
		over := slices.IndexFunc(events, func(e call.Event) bool { return e.Kind != call.Progress }) >= 0
		switch {
		case !over:
			return Nothing
		case slices.ContainsFunc(events, func(e call.Event) bool { return whole(&e) }):
			return Whole
		default:
			return Part
		}
	}
}

// IsFinal says whether nothing more is expected for the call of an event.
func IsFinal(e *call.Event) bool { return e.Final }
