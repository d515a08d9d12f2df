package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"callwatch/stream/backup"
)

// Backup describes a backup: what callwatch stored at a time.
type Backup = backup.Backup

var (
	// ErrNotABackup says that a file is no backup of callwatch, or a part of one.
	ErrNotABackup = backup.ErrNotABackup
	// ErrNotEmpty says that a backup is not restored because there is a store already.
	ErrNotEmpty = backup.ErrNotEmpty
)

// WriteBackup writes all streams and buckets to w, as a zip file, while they are in
// use. It is complete when WriteBackup returns nil.
func (s *Store) WriteBackup(ctx context.Context, w io.Writer) (*Backup, error) {
	nc, err := s.dial("callwatch backup") // closed with all that the snapshots leave behind
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return backup.Write(ctx, s.conn, nc, format, w)
}

// ReadBackup reads the description of a backup.
func ReadBackup(r io.ReaderAt, size int64) (*Backup, error) {
	f, err := backup.Open(r, size, format)
	if err != nil {
		return nil, err
	}
	return f.Backup, nil
}

// Restore makes a store from a backup, where there is none: in an empty data
// directory, or on a NATS server that has no stream of callwatch. What it left
// behind when it failed must be removed before it is tried again.
func Restore(ctx context.Context, cfg Config, r io.ReaderAt, size int64, progress func(done, total uint64)) (*Backup, error) {
	f, err := backup.Open(r, size, format)
	if err != nil {
		return nil, err
	}
	if err := f.Verify(ctx); err != nil {
		return nil, err
	}
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	defer s.release()
	if cfg.URL == "" {
		if err := refuseUsed(cfg.Dir); err != nil {
			return nil, err
		}
		if err := s.startEmbedded(); err != nil {
			return nil, err
		}
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if err := f.Restore(ctx, s.conn, s.cfg.Replicas, progress); err != nil {
		return nil, err
	}
	return f.Backup, nil
}

// refuseUsed reports a data directory that holds something.
func refuseUsed(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("data directory: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("%w: data directory %s has files; move it away, or give another one", ErrNotEmpty, dir)
	}
	return nil
}
