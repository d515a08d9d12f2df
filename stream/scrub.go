package stream

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// Scrub overwrites the bytes of all messages that were removed from the streams and
// buckets, and removes the copies of damaged blocks. ErrExternal says that the files
// are those of another server.
func (s *Store) Scrub(ctx context.Context) error {
	if s.node == nil {
		return ErrExternal
	}
	streams, err := blocks.Streams(s.cfg.Dir)
	if err != nil {
		return err
	}
	for _, name := range streams {
		if err := s.scrubStream(ctx, name); err != nil {
			return fmt.Errorf("overwrite what was removed from %s: %w", names.Short(name), err)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.cfg.Dir, blocks.QuarantineDir)); err != nil {
		return fmt.Errorf("remove the copies of damaged blocks: %w", err)
	}
	return nil
}

func (s *Store) scrubStream(ctx context.Context, name string) error {
	st, err := s.conn.JS.Stream(ctx, name)
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	removed, err := removedFrom(ctx, st)
	if err != nil {
		return err
	}
	return blocks.Scrub(ctx, s.cfg.Dir, name, removed)
}

func removedFrom(ctx context.Context, st jetstream.Stream) (*blocks.Removed, error) {
	info, err := st.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, jet.ReadError(ctx, err)
	}
	slices.Sort(info.State.Deleted)
	return &blocks.Removed{First: info.State.FirstSeq, Last: info.State.LastSeq, Inside: info.State.Deleted}, nil
}
