package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// format of the store; raised when an older callwatch could not read it, or must
// not work beside this one.
//
//	1  checkpoints in slots; one process
//	2  checkpoints one behind the other, compared when they are saved; roles
const format = 2

const oldestFormat = 1 // that is brought to this one

const (
	metaBucket = "meta"
	formatKey  = "format"
)

// storedFormat is the version of what is stored, and its revision; a new store
// has none, and gets this one.
func (s *Store) storedFormat(ctx context.Context) (meta *Bucket, n int, rev uint64, err error) {
	if meta, err = s.Bucket(ctx, metaBucket); err != nil {
		return nil, 0, 0, err
	}
	value, rev, err := meta.Load(ctx, formatKey)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("format of the store: %w", err)
	}
	if value == nil {
		return meta, format, 0, nil
	}
	n, err = strconv.Atoi(string(value))
	switch {
	case err != nil || n < oldestFormat:
		err = fmt.Errorf("format of the store is %q, not a number from %d on: it was not written by callwatch", value, oldestFormat)
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
		s.log.Info("the store is brought to a newer format", "from", n, "to", n+1)
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
	info, err := s.checkpoints.Info(ctx, jetstream.WithSubjectFilter(checkpointPrefix+"*.manifest"))
	if err != nil {
		return readError(ctx, err)
	}
	for subject := range info.State.Subjects {
		name, ok := untoken(strings.TrimSuffix(strings.TrimPrefix(subject, checkpointPrefix), ".manifest"))
		if !ok {
			continue
		}
		if err := s.sweepCheckpoints(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
