package raw

import (
	"context"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
)

// empty is a server whose streams have nothing to read.
type empty struct{ jetstream.JetStream }

func (empty) CreateConsumer(context.Context, string, jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	return atEnd{}, nil
}

func (empty) DeleteConsumer(context.Context, string, string) error { return nil }

type atEnd struct{ jetstream.Consumer }

func (atEnd) CachedInfo() *jetstream.ConsumerInfo { return &jetstream.ConsumerInfo{} }

// Records that are held because more was at hand are handed over at the end of the reading:
// what was at hand had come since.
func TestHeldRecordsAreHandedOverAtTheEnd(t *testing.T) {
	t.Parallel()
	conn := jet.NewConn(slog.New(slog.DiscardHandler), nil)
	conn.JS, conn.Embedded = empty{}, true
	s := New(conn, nil, nil, NewHandover(), nil)
	read := 0
	r := reader{of: s, fn: func(records []frame.Record) error {
		read += len(records)
		return nil
	}}
	if err := r.next(1, []frame.Record{{CallID: "call-1"}}, true); err != nil {
		t.Fatal(err)
	}
	if err := r.run(t.Context(), jet.Cursor{Next: 2, ToEnd: true}); err != nil || read != 1 {
		t.Errorf("%d records, %v", read, err)
	}
}

// What is handed over is held within its bound, and the rest is behind it on the server.
func TestHandoverIsBounded(t *testing.T) {
	t.Parallel()
	h := NewHandover()
	h.claim()
	large := frame.Record{Body: make([]byte, 1<<20)}
	const offered = 3 * handoverSize >> 20
	for seq := range uint64(offered) {
		h.Offer(seq+1, 1, func(int) *frame.Record { return &large })
	}
	if h.size > handoverSize || len(h.frames) == 0 {
		t.Errorf("%d bytes of %d frames are held", h.size, len(h.frames))
	}
	for seq := range uint64(offered) {
		if f, _, behind := h.take(seq + 1); f.seq == 0 && !behind {
			t.Errorf("frame %d is nowhere", seq+1)
		}
	}
	if h.size != 0 {
		t.Errorf("%d bytes are held of nothing", h.size)
	}
}
