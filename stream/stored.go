package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StoredEvents reads the events, ticks and marks that were stored at or after since
// (zero: from the first), in order, and ends behind the last one or with fn's
// error. left is how many more there are.
func (s *Store) StoredEvents(ctx context.Context, since time.Time, fn func(m Message, left uint64) error) error {
	c := cursor{store: s, stream: eventStream, since: since, batch: messagesAtOnce, toEnd: true}
	var failed error
	c.deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		failed = fn(newMessage(m, meta), meta.NumPending)
		return failed
	}
	if err := c.run(ctx); err != nil && failed == nil {
		return fmt.Errorf("read stored events: %w", err)
	}
	return failed
}
