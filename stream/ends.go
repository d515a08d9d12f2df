package stream

import (
	"context"
	"fmt"

	"callwatch/stream/jet"
)

// Ends are the sequences of the first and the last event, tick or action, and of the
// first and the last transition; 0 where there is none.
type Ends struct{ First, Last, FirstTransition, LastTransition uint64 }

// Ends asks where EVENTS begins and ends, and where ALERTS ends.
func (s *Store) Ends(ctx context.Context) (Ends, error) {
	events, err := s.events.Info(ctx)
	if err != nil {
		return Ends{}, fmt.Errorf("ends of the events: %w", jet.ReadError(ctx, err))
	}
	alerts, err := s.alerts.Info(ctx)
	if err != nil {
		return Ends{}, fmt.Errorf("ends of the transitions: %w", jet.ReadError(ctx, err))
	}
	return Ends{
		First: events.State.FirstSeq, Last: events.State.LastSeq,
		FirstTransition: alerts.State.FirstSeq, LastTransition: alerts.State.LastSeq,
	}, nil
}
