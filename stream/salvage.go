package stream

import (
	"context"
	"encoding/binary"
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
)

// headerFiller marks a message that only takes up a sequence. A stream that lost
// its end would give sequences a second time, and a stage would take what is new
// for what it has seen.
const headerFiller = "callwatch-filler"

// fillSequences stores fillers until a stream is as long as it is known to have been.
func (s *Store) fillSequences(ctx context.Context) error {
	for _, x := range []struct {
		stream  jetstream.Stream
		subject string
	}{{s.events, tickSubject}, {s.alerts, alertPrefix + "filler"}} {
		name := x.stream.CachedInfo().Config.Name
		last, mark := x.stream.CachedInfo().State.LastSeq, s.node.marks[name]
		if last >= mark {
			continue
		}
		s.log.Error("end of a stream is lost", "stream", name, "first", last+1, "last", mark)
		s.nameLostEnd(name, last+1, mark)
		for last < mark {
			m := &nats.Msg{Subject: x.subject, Data: []byte(time.Now().UTC().Format(time.RFC3339Nano)), Header: nats.Header{headerFiller: {"1"}}}
			ack, err := s.js.PublishMsg(ctx, s.sealed(name, m))
			if err != nil {
				return fmt.Errorf("fill stream %s: %w", name, classify(err))
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
	if !slices.ContainsFunc(s.node.flawsFound(), known) {
		s.node.foundFlaw(Flaw{Stream: stream, File: "the end of the stream", First: first, Last: last})
	}
}

// salvage stores the frames of RAW again that are sound in the copies of damaged
// blocks and that the server has dropped, each in its old place.
func (s *Store) salvage(ctx context.Context) error {
	copies, err := filepath.Glob(filepath.Join(s.cfg.Dir, quarantineDir, rawStream+"-*.blk"))
	if err != nil {
		return err
	}
	for _, path := range copies {
		index, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), rawStream+"-"), ".blk"))
		if err != nil {
			continue
		}
		n, err := s.salvageBlock(ctx, blockFile{path, index})
		if err != nil {
			return fmt.Errorf("salvage %s: %w", path, err)
		}
		if n > 0 {
			s.log.Warn("frames of a damaged block are stored again", "file", path, "frames", n)
		}
		if err := os.Rename(path, strings.TrimSuffix(path, ".blk")+".salvaged"); err != nil {
			return err
		}
	}
	return nil
}

// salvaged reports whether all frames of damaged blocks are stored again.
func (s *Store) salvaged() bool {
	ctx, cancel := context.WithTimeout(s.closed, time.Minute)
	defer cancel()
	err := s.salvage(ctx)
	if err != nil && s.closed.Err() == nil {
		s.log.Warn("frames of a damaged block are not stored again yet", "err", err)
	}
	return err == nil
}

func (s *Store) salvageBlock(ctx context.Context, file blockFile) (n int, err error) {
	b, err := os.ReadFile(file.path)
	if err != nil {
		return 0, err
	}
	k, err := newBlock(rawStream, file.index)
	if err != nil {
		return 0, err
	}
	for _, r := range k.records(b) {
		seq := sequenceOf(r)
		if seq&(erasedBit|tombstoneBit) != 0 {
			continue
		}
		subject := int(binary.LittleEndian.Uint16(r[20:]))
		if string(r[blockHeader:blockHeader+subject]) != rawSubject || binary.LittleEndian.Uint32(r)&hasHeader != 0 {
			continue
		}
		frame := r[blockHeader+subject : len(r)-blockHash]
		if records, err := s.codec.decode(frame); err != nil || len(records) == 0 {
			continue
		}
		filler := false
		switch m, err := s.frame(ctx, seq); {
		case err == nil:
			if _, err := s.codec.decode(m.Data); m.Sequence != seq || !errors.Is(err, errMissing) {
				continue
			}
			filler = true
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return n, readError(ctx, err)
		}
		m := &nats.Msg{Subject: rewriteSubject(seq), Data: slices.Clone(frame), Header: nats.Header{headerRewrites: {strconv.FormatUint(seq, 10)}}}
		ack, err := s.js.PublishMsg(ctx, s.sealed(rawStream, m))
		if err != nil {
			return n, classify(err)
		}
		s.handover.note(ack.Sequence)
		if filler { // it says that the frame is lost
			if err := s.raw.DeleteMsg(ctx, seq); err != nil {
				return n, classify(err)
			}
		}
		n++
	}
	return n, nil
}
