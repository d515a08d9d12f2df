package raw

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/frame"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// Salvage stores the frames of RAW again that are sound in the copies of damaged
// blocks and that the server has dropped, each in its old place. dir is the data directory.
func Salvage(ctx context.Context, s *Webhooks, dir string) error {
	copies, err := filepath.Glob(filepath.Join(dir, blocks.QuarantineDir, names.RawStream+"-*.blk"))
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

func (s *Webhooks) salvageBlock(ctx context.Context, file blocks.File) (n int, err error) {
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
		s.handover.Note(ack.Sequence)
		if filler { // it says that the data is lost
			if err := s.stream.DeleteMsg(ctx, seq); err != nil {
				return n, jet.Classify(err)
			}
		}
		n++
	}
	return n, nil
}
