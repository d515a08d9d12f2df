package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/jet"
	"callwatch/stream/names"
)

// format of the store; raised when an older callwatch could not read it, or must
// not work beside this one.
//
//	1  checkpoints in slots; one process
//	2  checkpoints one behind the other, compared when they are saved; roles
//	3  each message has a seal: an older callwatch would store some without
const format = 3

const oldestFormat = 1 // that is brought to this one

const (
	metaBucket = "meta"
	formatKey  = "format"
)

// storedFormat is the version of what is stored, and its revision. A new store has
// none; it is brought to this one like an old one.
func (s *Store) storedFormat(ctx context.Context) (meta *Bucket, n int, rev uint64, err error) {
	if meta, err = s.Bucket(ctx, metaBucket); err != nil {
		return nil, 0, 0, err
	}
	value, rev, err := meta.Load(ctx, formatKey)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("format of the store: %w", err)
	}
	if value == nil {
		return meta, oldestFormat, 0, nil
	}
	n, err = strconv.Atoi(string(value))
	switch {
	case err != nil || n < oldestFormat:
		// Each step to a newer format may be repeated.
		meta.Skip(formatKey, rev, errors.New("it is not the number of a format"))
		return meta, oldestFormat, rev, nil
	case n > format:
		err = fmt.Errorf("store has format %d, this callwatch reads up to %d: start a newer callwatch or give another data directory", n, format)
	}
	return meta, n, rev, err
}

// migrate brings a store of an older format to this one, step by step. A step
// that was interrupted is repeated; the number is written last. Replicas that
// migrate at the same time do the same work.
func (s *Store) migrate(ctx context.Context, meta *Bucket, from int, rev uint64) error {
	if from == format && rev > 0 {
		return nil
	}
	for n := from; n < format; n++ {
		level := slog.LevelInfo
		if rev == 0 {
			level = slog.LevelDebug // a new store
		}
		s.conn.Log.Log(ctx, level, "the store is brought to a newer format", "from", n, "to", n+1)
		if n == 1 {
			if err := s.leaveSlots(ctx); err != nil {
				return fmt.Errorf("bring the store from format %d to %d: %w", n, n+1, err)
			}
		}
	}
	// Losing the race to another replica that writes the same is fine.
	if _, _, err := meta.Save(ctx, formatKey, []byte(strconv.Itoa(format)), rev); err != nil {
		return fmt.Errorf("format of the store: %w", err)
	}
	return nil
}

// leaveSlots removes the slots that no checkpoint of format 1 is in; those in
// use are read where they are, and go with the checkpoints that replace them.
func (s *Store) leaveSlots(ctx context.Context) error {
	info, err := s.checkpoints.Info(ctx, jetstream.WithSubjectFilter(names.CheckpointPrefix+"*.manifest"))
	if err != nil {
		return jet.ReadError(ctx, err)
	}
	for subject := range info.State.Subjects {
		name, ok := names.Untoken(strings.TrimSuffix(strings.TrimPrefix(subject, names.CheckpointPrefix), ".manifest"))
		if !ok {
			continue
		}
		if err := s.sweepCheckpoints(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
