package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// JetStream's atomic batch: messages that share a batch id are staged, and
// stored as one, with one fsync, by the message that commits. The client library
// has no call for it.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"

	maxBatch     = 1000    // the server's limit
	maxBatchSize = 4 << 20 // the server holds a batch in memory twice
)

type batchAck struct {
	Seq   uint64              `json:"seq"`
	Count int                 `json:"count"`
	Error *jetstream.APIError `json:"error"`
}

// publishBatch stores all of msgs, one behind the other, or none; it returns
// the sequence of the last.
func (s *Events) publishBatch(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	id := nuid.Next()
	for i, m := range msgs {
		m.Header[headerBatchID] = []string{id}
		m.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
	}
	last := msgs[len(msgs)-1]
	last.Header[headerBatchCommit] = []string{"1"}
	for _, m := range msgs[:len(msgs)-1] {
		if err := s.conn.NC.PublishMsg(m); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.conn.RequestWait())
	defer cancel()
	reply, err := s.conn.NC.RequestMsgWithContext(ctx, last)
	if err != nil {
		return 0, err
	}
	var ack batchAck
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return 0, fmt.Errorf("answer to a batch: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	if ack.Count != len(msgs) {
		return 0, fmt.Errorf("batch of %d stored %d messages", len(msgs), ack.Count)
	}
	return ack.Seq, nil
}
