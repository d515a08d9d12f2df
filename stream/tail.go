package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/events"
	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// fillSequences stores fillers until a stream is as long as it is known to have been.
func (s *Store) fillSequences(ctx context.Context) error {
	for _, x := range []struct {
		stream  jetstream.Stream
		subject string
	}{{s.events, names.TickSubject}, {s.alerts, names.AlertPrefix + "filler"}} {
		name := x.stream.CachedInfo().Config.Name
		last, mark := x.stream.CachedInfo().State.LastSeq, s.node.Marks[name]
		if last >= mark {
			continue
		}
		s.conn.Log.Error("end of a stream is lost", "stream", name, "first", last+1, "last", mark)
		s.nameLostEnd(name, last+1, mark)
		for last < mark {
			m := &nats.Msg{Subject: x.subject, Data: []byte(time.Now().UTC().Format(time.RFC3339Nano)), Header: nats.Header{jet.HeaderFiller: {"1"}}}
			ack, err := s.conn.JS.PublishMsg(ctx, s.conn.Sealed(name, m))
			if err != nil {
				return fmt.Errorf("fill stream %s: %w", name, jet.Classify(err))
			}
			last = ack.Sequence
		}
	}
	return nil
}

// nameLostEnd notes that a stream lost its end, unless the damage that took it is
// known.
func (s *Store) nameLostEnd(stream string, first, last uint64) {
	if s.node == nil {
		return
	}
	known := func(f Flaw) bool { return f.Stream == stream && f.Last >= f.First && !f.Torn }
	if !slices.ContainsFunc(s.node.Flaws(), known) {
		if stream == names.AlertStream { // known at the next start too, when the end is filled
			dir := filepath.Join(s.cfg.Dir, blocks.QuarantineDir)
			err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, stream+"-end.blk"), nil, 0o600))
			if err != nil {
				s.conn.Log.Warn("lost end not noted", "stream", stream, "err", err)
			}
		}
		s.node.AddFlaw(Flaw{Stream: stream, File: "the end of the stream", First: first, Last: last})
	}
}

// fillLostTail raises RAW's last sequence to where EVENTS says it has been. A
// store that lost its end to damage would give sequences a second time, and the
// normalizing stage would take new records for ones it has seen.
func (s *Store) fillLostTail(ctx context.Context) error {
	raw, ok, err := events.LastRecord(ctx, s.Events)
	if err != nil || !ok && s.node == nil {
		return err
	}
	if s.node != nil {
		raw.Seq = max(raw.Seq, s.node.Marks[names.RawStream])
		if f := s.early.Load(); f != nil {
			raw.Seq = max(raw.Seq, f.Base())
		}
	}
	last := s.raw.CachedInfo().State.LastSeq
	for s.node == nil && last < raw.Seq {
		// A leader that was elected just now may not know its last messages yet.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(openAgain):
		}
		info, err := s.raw.Info(ctx)
		if err != nil {
			return jet.ReadError(ctx, err)
		}
		if info.State.LastSeq == last {
			break
		}
		last = info.State.LastSeq
	}
	if last >= raw.Seq {
		return nil
	}
	s.conn.Log.Error("end of the raw stream is lost", "first", last+1, "last", raw.Seq)
	s.nameLostEnd(names.RawStream, last+1, raw.Seq)
	for ; last < raw.Seq; last++ {
		if err := s.probe(frame.Lost); err != nil {
			return fmt.Errorf("raw stream: %w", err)
		}
	}
	return nil
}
