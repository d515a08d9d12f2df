package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"callwatch/stream/bucket"
	"callwatch/stream/checkpoint"
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
func (s *Store) storedFormat(ctx context.Context) (meta *bucket.Bucket, n int, rev uint64, err error) {
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
func (s *Store) migrate(ctx context.Context, meta *bucket.Bucket, from int, rev uint64) error {
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
			if err := checkpoint.LeaveSlots(ctx, s.Checkpoints); err != nil {
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
