package raw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// A frame that holds what must be erased beside what must stay is stored once
// more, with a blank in the place of each erased record, under a subject that
// names the old frame; then the old one is overwritten and removed. jet.HeaderRewrites
// lists the sequences that the new frame replaces: the old frame's own and those of
// earlier rewrites of it, so that none of them counts as lost.

func rewriteSubject(seq uint64) string { return names.RewritePrefix + strconv.FormatUint(seq, 10) }

// frame reads a frame by the sequence it was stored under first.
func (s *Webhooks) frame(ctx context.Context, seq uint64) (*jetstream.RawStreamMsg, error) {
	m, err := s.stream.GetMsg(ctx, seq)
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return m, err
	}
	m, _, err = s.lastRewrite(ctx, seq)
	return m, err
}

// lastRewrite reads the frame that is in the place of the one at seq, and the
// sequence of the last message on its subject; a foreign message there is passed
// over.
func (s *Webhooks) lastRewrite(ctx context.Context, seq uint64) (m *jetstream.RawStreamMsg, last uint64, err error) {
	subject := rewriteSubject(seq)
	m, err = s.stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return nil, 0, err
	}
	last = m.Sequence
	if s.notRewrite(subject, m.Header, last, m.Data) == nil {
		return m, last, nil
	}
	at := uint64(0)
	c := jet.Cursor{Conn: s.conn, Stream: names.RawStream, Subjects: []string{subject}, ToEnd: true, Batch: jet.FramesAtOnce}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		if s.notRewrite(m.Subject(), m.Headers(), meta.Sequence.Stream, m.Data()) == nil {
			at = meta.Sequence.Stream
		}
		return nil
	}
	if err := c.Run(ctx); err != nil {
		return nil, 0, err
	}
	if at == 0 {
		return nil, last, jetstream.ErrMsgNotFound
	}
	m, err = s.stream.GetMsg(ctx, at)
	return m, last, err
}

// notRewrite returns why a message is not a rewritten frame, nil when it is, and
// notes it.
func (s *Webhooks) notRewrite(subject string, h nats.Header, at uint64, data []byte) error {
	why := s.conn.Check(names.RawStream, subject, h, at)
	if olds := jet.RewrittenBy(h); why == nil && (len(olds) == 0 || rewriteSubject(olds[0]) != subject || slices.Max(olds) >= at || !frame.Is(data)) {
		why = frame.ErrNoFrame
	}
	if why != nil {
		s.conn.Skip(names.RawStream, subject, at, why)
	}
	return why
}

// rewrite is a sequence that is missing on purpose, and the frame in its place;
// none where that was only an earlier rewrite of another.
type rewrite struct {
	old   uint64
	frame []byte
}

// rewrites are those of the sequences from first to last, in order.
func (s *Webhooks) rewrites(ctx context.Context, first, last uint64) ([]rewrite, error) {
	var found []rewrite
	latest := map[uint64]int{} // place in found of each old frame
	c := jet.Cursor{Conn: s.conn, Stream: names.RawStream, Subjects: []string{names.RewritePrefix + "*"}, ToEnd: true, Batch: jet.FramesAtOnce}
	c.Deliver = func(m jetstream.Msg, meta *jetstream.MsgMetadata, _ bool) error {
		if s.notRewrite(m.Subject(), m.Headers(), meta.Sequence.Stream, m.Data()) != nil {
			return nil
		}
		for i, seq := range jet.RewrittenBy(m.Headers()) {
			if seq < first || seq > last {
				continue
			}
			w := rewrite{old: seq}
			if i == 0 {
				w.frame = m.Data()
			}
			if at, ok := latest[seq]; ok {
				found[at] = w
				continue
			}
			latest[seq] = len(found)
			found = append(found, w)
		}
		return nil
	}
	if err := c.Run(ctx); err != nil {
		return nil, fmt.Errorf("rewritten frames: %w", err)
	}
	slices.SortFunc(found, func(a, b rewrite) int { return cmp.Compare(a.old, b.old) })
	return found, nil
}

// EraseRecords removes records for good: their bytes are overwritten on the disk
// of the embedded server, or of the servers of a cluster, and the other records of
// their frames keep their ids. It returns how many it found. It may be stopped
// anywhere and called again; records that are gone are passed over.
func (s *Webhooks) EraseRecords(ctx context.Context, at []frame.Position) (erased int, err error) {
	byFrame := map[uint64][]int{}
	for _, p := range at {
		byFrame[p.Seq] = append(byFrame[p.Seq], p.Index)
	}
	for seq, indexes := range byFrame {
		n, err := s.eraseFrame(ctx, seq, indexes)
		for tries := 0; errors.Is(err, jet.ErrConflict) && tries < jet.MaxRewrites; tries++ {
			n, err = s.eraseFrame(ctx, seq, indexes) // others erase in the same frame
		}
		if err != nil {
			return erased, fmt.Errorf("erase in raw frame %d: %w", seq, err)
		}
		erased += n
	}
	return erased, nil
}

func (s *Webhooks) eraseFrame(ctx context.Context, seq uint64, indexes []int) (erased int, err error) {
	s.handover.drop(seq)
	subject := rewriteSubject(seq)
	m, before, err := s.lastRewrite(ctx, seq) // before: last message on the subject; 0: none
	olds := []uint64{seq}
	switch {
	case err == nil:
		olds = append(jet.RewrittenBy(m.Header), m.Sequence)
	case errors.Is(err, jetstream.ErrMsgNotFound):
		if m, err = s.stream.GetMsg(ctx, seq); errors.Is(err, jetstream.ErrMsgNotFound) {
			return 0, nil // gone by its age
		}
		if err != nil {
			return 0, jet.ReadError(ctx, err)
		}
	default:
		return 0, jet.ReadError(ctx, err)
	}
	records, err := s.codec.Decode(m.Data)
	if err != nil {
		return 0, err
	}
	for _, i := range indexes {
		if i < len(records) && !records[i].Erased() {
			records[i] = frame.Record{Source: frame.SourceErased}
			erased++
		}
	}
	if erased == 0 && m.Sequence == seq {
		return 0, nil // the frame holds none of them
	}
	if erased > 0 {
		if err := s.writeRewrite(ctx, subject, before, olds, records); err != nil {
			return 0, err
		}
	}
	// Also when nothing was left to blank: the run before may have ended here.
	for _, old := range olds {
		if erased == 0 && old == m.Sequence {
			continue // the rewrite in force
		}
		if err := jet.Overwrite(ctx, s.stream, old); err != nil {
			return erased, err
		}
	}
	return erased, nil
}

// writeRewrite stores a frame in the place of others, unless somebody else has
// meanwhile.
func (s *Webhooks) writeRewrite(ctx context.Context, subject string, before uint64, olds []uint64, records []frame.Record) error {
	codec, err := frame.NewCodec() // the committer's encodes one frame at a time
	if err != nil {
		return err
	}
	var payload []byte
	for i := range records {
		payload = frame.AppendRecord(payload, &records[i])
	}
	list := make([]string, len(olds))
	for i, old := range olds {
		list[i] = strconv.FormatUint(old, 10)
	}
	msg := s.conn.Sealed(names.RawStream, &nats.Msg{Subject: subject, Data: codec.Encode(nil, payload, len(records)), Header: nats.Header{jet.HeaderRewrites: {strings.Join(list, ",")}}})
	ack, err := s.conn.JS.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(before))
	if err != nil {
		return jet.Classify(err)
	}
	s.handover.Note(ack.Sequence)
	return nil
}
