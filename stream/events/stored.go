package events

import (
	"context"
	"time"
)

// StoredEvents reads the events, ticks and actions that were stored at or after since
// (zero: from the first), in order, and ends behind the last one or with fn's
// error. left is how many more there are.
func (s *Events) StoredEvents(ctx context.Context, since time.Time, fn func(m Message, left uint64) error) error {
	return s.storedEvents(ctx, nil, since, fn)
}
