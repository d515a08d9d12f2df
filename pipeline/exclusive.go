package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"callwatch/pipeline/stage"
	"callwatch/rules/engine/checkpoint"
	"callwatch/stream"
)

const (
	// exclusiveWait is longer than the leases of processes that died are waited for.
	exclusiveWait = 10 * time.Second
	// normalizeWait is how long maintenance waits for webhooks to be normalized.
	normalizeWait = time.Minute
	// backlogWait is how long it waits for webhooks that it need not look at.
	backlogWait = 5 * time.Second
)

// Why work on the store cannot be exclusive here.
var (
	ErrNotLeader = errors.New("another replica saves the state of the rules: ask the one whose callwatch_stage_held{stage=\"judge\"} is 1")
	ErrInUse     = errors.New("a callwatch works on this NATS store: have it do this, with --url")
)

// Running is maintenance beside the running stages of this process.
type Running struct {
	Store     *stream.Store
	Leases    *stage.Leases
	Normalize *Normalize
	Judge     *Judge
}

// Normalized waits until the events of all webhooks up to a frame are stored.
func (s *Running) Normalized(ctx context.Context, frame uint64) error {
	ctx, stop := context.WithTimeout(ctx, normalizeWait)
	defer stop()
	for {
		at, err := s.Normalize.Reached(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && at >= frame {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("webhooks are not normalized in time: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// NormalizedUpTo waits some seconds for the webhooks that are stored now.
func (s *Running) NormalizedUpTo(ctx context.Context) (uint64, error) {
	soon, stop := context.WithTimeout(ctx, backlogWait)
	defer stop()
	if err := s.Normalized(soon, stage.LastStored(soon, s.Store)["raw"]); err != nil && soon.Err() == nil {
		return 0, err
	}
	return s.Normalize.Reached(ctx)
}

// Exclusive runs fn if this replica judges.
func (s *Running) Exclusive(ctx context.Context, fn func(context.Context) error) error {
	if !s.Leases.Holds(stage.JudgeLease) {
		return ErrNotLeader
	}
	return fn(ctx)
}

// Erase removes calls from the running engine and its checkpoints.
func (s *Running) Erase(ctx context.Context, what checkpoint.Forgetting) (known bool, err error) {
	return s.Judge.Erase(ctx, what)
}

// Replicas reports whether other replicas may run.
func (s *Running) Replicas() bool { return !s.Store.Alone() }

// Stopped is maintenance in a process that runs no stages: on the store of a
// callwatch that is stopped, or on a NATS cluster.
type Stopped struct {
	Store     *stream.Store
	Leases    *stage.Leases
	Normalize *Normalize

	erased atomic.Uint64 // calls that the holders of the judge lease have erased
}

// Normalized normalizes the webhooks that are stored. On a cluster that is left to
// the replica that has the lease, unless this process has it.
func (s *Stopped) Normalized(ctx context.Context, _ uint64) error {
	if !s.Store.Alone() && !s.Leases.Holds(stage.NormalizeLease) {
		return nil
	}
	return s.Normalize.RunStored(ctx)
}

// NormalizedUpTo normalizes the webhooks that are stored, or asks how far the
// replicas are.
func (s *Stopped) NormalizedUpTo(ctx context.Context) (uint64, error) {
	if s.Store.Alone() {
		return math.MaxUint64, s.Normalize.RunStored(ctx)
	}
	last, _, _, err := s.Store.LastPublished(ctx)
	return last.Seq, err
}

// Exclusive runs fn while this process has the leases of normalizing and judging.
// Where a callwatch runs on the store it fails with ErrInUse.
func (s *Stopped) Exclusive(ctx context.Context, fn func(context.Context) error) error {
	taking, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	waiting := time.AfterFunc(exclusiveWait, func() { giveUp(ErrInUse) })
	defer waiting.Stop()
	judge := stream.Lease{Name: stage.JudgeLease, Watermark: s.erased.Load}
	err := s.Leases.Under(stage.NormalizeLease, func(ctx context.Context) error {
		return s.Leases.Hold(ctx, judge, func(ctx context.Context, erased uint64) error {
			if !waiting.Stop() {
				return ErrInUse
			}
			s.erased.Store(erased)
			if err := s.Normalize.RunStored(ctx); err != nil {
				return err
			}
			return fn(ctx)
		})
	})(taking)
	if errors.Is(context.Cause(taking), ErrInUse) {
		return ErrInUse
	}
	return err
}

// Erase removes calls from the checkpoint. Replicas that start later read from the
// lease that calls were erased.
func (s *Stopped) Erase(ctx context.Context, what checkpoint.Forgetting) (known bool, err error) {
	defer func() {
		if err == nil {
			s.erased.Add(1)
		}
	}()
	var data []byte
	seq, err := s.Store.LoadCheckpoint(ctx, CheckpointName, func(_ uint64, r io.Reader) (err error) {
		data, err = io.ReadAll(r)
		return err
	})
	if errors.Is(err, stream.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if data, known, err = checkpoint.Forget(data, what); err != nil {
		return false, err
	}
	if err := s.Store.SaveCheckpoint(ctx, CheckpointName, seq, writeBytes(data)); err != nil {
		return known, err
	}
	return known, s.Store.EraseCheckpoints(ctx, CheckpointName)
}

// Replicas is false: while Exclusive works there are none.
func (s *Stopped) Replicas() bool { return false }
