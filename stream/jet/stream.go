package jet

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// MessagesAtOnce is how many messages a reader asks for where they are small.
	MessagesAtOnce = 2000
	// FramesAtOnce bounds the memory of a reader of RAW: a frame has up to 4 MB before
	// compression, rarely more.
	FramesAtOnce = 32
	// MaxRewrites is how often a rewrite is begun again because others wrote meanwhile.
	MaxRewrites = 20
	// MessageSlack is what the protocol and the stream add to a message, in bytes.
	MessageSlack = 4 << 10
)

// Stream is a stream of the store. It is empty until the store is open.
type Stream struct{ jetstream.Stream }

// LastOf reads the last n messages of some subjects, oldest first, without those
// that read refuses, and the
// sequence at which the stream ended. The stream is read in growing parts from
// its end, so that the work depends on n and not on what is stored.
func LastOf[T any](ctx context.Context, conn *Conn, stream string, subjects []string, n int, read func(jetstream.Msg, *jetstream.MsgMetadata) (T, bool)) ([]T, uint64, error) {
	st, err := conn.JS.Stream(ctx, stream)
	if err != nil {
		return nil, 0, ReadError(ctx, err)
	}
	state := st.CachedInfo().State
	if n <= 0 || state.Msgs == 0 {
		return nil, state.LastSeq, nil
	}
	for span := uint64(2 * n); ; span *= 8 {
		from := state.FirstSeq
		if state.LastSeq > state.FirstSeq+span {
			from = state.LastSeq - span
		}
		var found []T
		c := Cursor{Conn: conn, Stream: stream, Subjects: subjects, Next: from, Batch: MessagesAtOnce, ToEnd: true}
		c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
			if meta.Sequence.Stream <= state.LastSeq {
				if v, ok := read(m, meta); ok {
					found = append(found, v)
				}
			}
			if len(found) > 2*n {
				found = append(found[:0], found[len(found)-n:]...)
			}
			return nil
		}
		if err := c.Run(ctx); err != nil {
			return nil, 0, err
		}
		if len(found) >= n || from == state.FirstSeq {
			return found[max(0, len(found)-n):], state.LastSeq, nil
		}
	}
}

// Overwrite removes a message and overwrites its bytes; one that is gone is well.
func Overwrite(ctx context.Context, st jetstream.Stream, seq uint64) error {
	err := st.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	if _, gone := st.GetMsg(ctx, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	return Classify(err)
}
