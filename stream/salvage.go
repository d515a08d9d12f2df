package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
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

// salvage stores the frames of RAW again that are sound in the copies of damaged
// blocks and that the server has dropped, each in its old place.
func (s *Store) salvage(ctx context.Context) error {
	copies, err := filepath.Glob(filepath.Join(s.cfg.Dir, blocks.QuarantineDir, names.RawStream+"-*.blk"))
	if err != nil {
		return err
	}
	for _, path := range copies {
		index, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), names.RawStream+"-"), ".blk"))
		if err != nil {
			continue
		}
		n, err := s.salvageBlock(ctx, blocks.File{Path: path, Index: index})
		if err != nil {
			return fmt.Errorf("salvage %s: %w", path, err)
		}
		if n > 0 {
			s.conn.Log.Warn("frames of a damaged block are stored again", "file", path, "frames", n)
		}
		if err := os.Rename(path, strings.TrimSuffix(path, ".blk")+".salvaged"); err != nil {
			return err
		}
	}
	return nil
}

// salvaged reports whether all frames of damaged blocks are stored again.
func (s *Store) salvaged() bool {
	ctx, cancel := context.WithTimeout(s.conn.Closed, time.Minute)
	defer cancel()
	err := s.salvage(ctx)
	if err != nil && s.conn.Closed.Err() == nil {
		s.conn.Log.Warn("frames of a damaged block are not stored again yet", "err", err)
	}
	return err == nil
}

func (s *Store) salvageBlock(ctx context.Context, file blocks.File) (n int, err error) {
	b, err := os.ReadFile(file.Path)
	if err != nil {
		return 0, err
	}
	k, err := blocks.New(names.RawStream, file.Index)
	if err != nil {
		return 0, err
	}
	for seq, data := range k.Messages(b, names.RawSubject) {
		if records, err := s.codec.Decode(data); err != nil || len(records) == 0 {
			continue
		}
		filler := false
		switch m, err := s.frame(ctx, seq); {
		case err == nil:
			if _, err := s.codec.Decode(m.Data); m.Sequence != seq || !errors.Is(err, frame.ErrMissing) {
				continue
			}
			filler = true
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return n, jet.ReadError(ctx, err)
		}
		m := &nats.Msg{Subject: rewriteSubject(seq), Data: slices.Clone(data), Header: nats.Header{jet.HeaderRewrites: {strconv.FormatUint(seq, 10)}}}
		ack, err := s.conn.JS.PublishMsg(ctx, s.conn.Sealed(names.RawStream, m))
		if err != nil {
			return n, jet.Classify(err)
		}
		s.handover.note(ack.Sequence)
		if filler { // it says that the data is lost
			if err := s.raw.DeleteMsg(ctx, seq); err != nil {
				return n, jet.Classify(err)
			}
		}
		n++
	}
	return n, nil
}
