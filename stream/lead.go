package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nuid"
)

// A role is held by whoever wrote its key last, and given up by not writing it
// any more: those who wait count how often they read the same revision. No two
// clocks are compared. A holder that was stopped and goes on does not know yet
// that it lost the role; what it then writes, the comparisons of PutTransition,
// PublishEvents, SaveCheckpoint and Bucket.Save refuse.
const (
	roleBucket = "roles"
	roleEvery  = 500 * time.Millisecond // it is renewed, or looked at
	roleLooks  = 6                      // at the same revision, before it is taken over
	roleAnswer = 750 * time.Millisecond // a renewal waits so long
	// roleLetGo without a renewal confirmed the holder stops: with roleAnswer
	// less than roleLooks times roleEvery.
	roleLetGo = 2 * time.Second
)

var errRoleLost = fmt.Errorf("%w: it has taken the role over, or the store did not confirm it", ErrConflict)

// Lead waits until this process has the role (letters, digits and -), runs fn,
// and gives the role back when fn returns. Only one process of those that share
// an external store has a role at a time; where it is lost, fn's context ends
// with ErrConflict as its cause, which is then what Lead returns. The
// embedded server has one process: fn runs at once.
func (s *Store) Lead(ctx context.Context, role string, fn func(context.Context) error) error {
	if s.Alone() {
		return fn(ctx)
	}
	bucket, err := s.Bucket(ctx, roleBucket)
	if err != nil {
		return fmt.Errorf("role %s: %w", role, err)
	}
	t := tenure{bucket: bucket, role: role, mark: []byte(nuid.Next())}
	if err := t.take(ctx); err != nil {
		return err
	}
	s.log.Info("role taken", "role", role)
	held, lose := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.keep(held, lose)
	}()
	err = fn(held)
	if errors.Is(context.Cause(held), errRoleLost) {
		err = fmt.Errorf("role %s: %w", role, errRoleLost)
	}
	lose(nil)
	<-ended
	t.release(context.WithoutCancel(ctx))
	s.log.Info("role given up", "role", role)
	return err
}

// Alone says that no other process can share the store.
func (s *Store) Alone() bool { return s.node != nil }

// tenure is one time that a role is held.
type tenure struct {
	bucket *Bucket
	role   string
	mark   []byte // tells this tenure from all others
	rev    uint64
}

// take waits for the role; it fails only when ctx ends.
func (t *tenure) take(ctx context.Context) error {
	var seen uint64
	looks := 0
	for {
		value, rev, err := t.load(ctx)
		switch {
		case err != nil: // says nothing about the holder
		case rev != seen:
			seen, looks = rev, 1
		default:
			looks++
		}
		if err == nil && (len(value) == 0 || looks >= roleLooks) {
			if ok, _ := t.save(ctx, t.mark, rev); ok {
				return nil
			}
			looks = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(roleEvery):
		}
	}
}

// keep renews the role until ctx ends; it calls lose when that did not succeed.
func (t *tenure) keep(ctx context.Context, lose context.CancelCauseFunc) {
	letGo := time.AfterFunc(roleLetGo, func() { lose(errRoleLost) })
	defer letGo.Stop()
	every := time.NewTicker(roleEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		ok, err := t.save(ctx, t.mark, t.rev)
		if ok {
			letGo.Reset(roleLetGo)
			continue
		}
		if err != nil {
			continue // the write may have happened: the next one tells
		}
		value, rev, err := t.load(ctx)
		switch {
		case err != nil:
		case !bytes.Equal(value, t.mark):
			lose(errRoleLost)
			return
		default:
			t.rev = rev // of a renewal whose answer was lost
		}
	}
}

// release lets the next one take the role at once. Where it fails, they wait.
func (t *tenure) release(ctx context.Context) { _, _ = t.save(ctx, nil, t.rev) }

func (t *tenure) load(ctx context.Context) ([]byte, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, roleAnswer)
	defer cancel()
	return t.bucket.Load(ctx, t.role)
}

func (t *tenure) save(ctx context.Context, value []byte, rev uint64) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, roleAnswer)
	defer cancel()
	next, ok, err := t.bucket.Save(ctx, t.role, value, rev)
	if ok {
		t.rev = next
	}
	return ok, err
}
