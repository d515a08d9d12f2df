package normalizer

import (
	"callwatch/call"
	"callwatch/normalizer/lenient"
)

// unconfirmedRaw is where raw keeps what nothing proves.
const unconfirmedRaw = "unconfirmed"

// confirm makes of what a provider that cannot sign has pushed a mere hint, and
// of what was fetched of a call that is over its end. The facts of a hint are
// under raw.unconfirmed alone, so that no rule takes them for true.
func confirm(e *call.Event, b *Body) {
	switch {
	case b.Source == Pushed:
		*e = call.Event{
			Identity: call.Identity{
				ID: e.ID, Provider: e.Provider, Account: e.Account, Kind: call.Progress, CallID: e.CallID, OccurredAt: e.OccurredAt, ReceivedAt: e.ReceivedAt,
			},
			Raw: map[string]any{unconfirmedRaw: e.Raw}, RawID: e.RawID,
		}
	case b.Source == Fetched && e.Kind == call.Report && e.Status != "" && e.Status != call.InProgress:
		e.Kind = call.Ended
	}
}

// Unconfirmed is what a webhook told, whether it was taken for true or not.
func Unconfirmed(e *call.Event) lenient.Node {
	if told := lenient.Of(e.Raw).At(unconfirmedRaw); told.IsObject() {
		return told
	}
	return lenient.Of(e.Raw)
}
