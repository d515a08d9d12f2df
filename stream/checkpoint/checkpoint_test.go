package checkpoint

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
)

// messages is a stream whose messages are known by their sequence.
type messages struct {
	jetstream.Stream
	data map[uint64]string
}

func (m messages) GetMsg(_ context.Context, seq uint64, _ ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	return &jetstream.RawStreamMsg{Sequence: seq, Data: []byte(m.data[seq])}, nil
}

// TestCheckpointChecksum: a chunk of other bytes is not taken for the state.
func TestCheckpointChecksum(t *testing.T) {
	t.Parallel()
	c := New(nil, &jet.Stream{Stream: messages{data: map[uint64]string{1: "before", 3: "after"}}})
	sum := crc32.Checksum([]byte("after"), castagnoli)
	for seq, want := range map[uint64]error{3: nil, 1: errCheckpoint} {
		r := chunkReader{ctx: t.Context(), of: c, left: []chunk{{Seq: seq, CRC: sum}}}
		if _, err := io.ReadAll(&r); !errors.Is(err, want) {
			t.Errorf("chunk %d: got %v", seq, err)
		}
	}
}
