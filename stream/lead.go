package stream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
	offerLooks = 4                      // before who has its share takes what is offered
	roleAnswer = 750 * time.Millisecond // a renewal waits so long
	// roleLetGo without a renewal confirmed the holder stops: with roleAnswer
	// less than roleLooks times roleEvery.
	roleLetGo = 2 * time.Second

	throughWait = 3 * time.Second
)

var errRoleLost = fmt.Errorf("%w: it has taken the role over, or the store did not confirm it", ErrConflict)

// Shard is a role whose holder tells how far it has come, which the next one
// and everybody who asks Through is told.
type Shard struct {
	Role    string        // letters, digits and -
	Through func() uint64 // nil: it tells nothing
	// Sated says that this process holds its share already: what others offer is
	// left for a while to those that do not. nil: never.
	Sated func() bool
}

// Lead waits until this process has the role (letters, digits and -), runs fn,
// and gives the role back when fn returns. Only one process of those that share
// an external store has a role at a time; where it is lost, fn's context ends
// with ErrConflict as its cause, which is then what Lead returns. It waits for
// no store that is away: that is ErrUnavailable. The embedded server has one
// process: fn runs at once.
func (s *Store) Lead(ctx context.Context, role string, fn func(context.Context) error) error {
	return s.LeadShard(ctx, Shard{Role: role}, func(ctx context.Context, _ uint64) error { return fn(ctx) })
}

// LeadShard is Lead for a shard. fn is told how far the holders before came. Where
// it returns nil, the shard is offered to others; else whoever looks first has it.
func (s *Store) LeadShard(ctx context.Context, shard Shard, fn func(ctx context.Context, through uint64) error) error {
	if s.Alone() {
		return fn(ctx, 0)
	}
	bucket, err := s.Bucket(ctx, roleBucket)
	if err != nil {
		return fmt.Errorf("role %s: %w", shard.Role, err)
	}
	t := tenure{bucket: bucket, shard: shard, mark: nuid.Next()}
	if err := t.take(ctx); err != nil {
		return err
	}
	s.log.Info("role taken", "role", shard.Role)
	held, lose := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	from := t.through
	go func() {
		defer close(ended)
		t.keep(held, lose)
	}()
	err = fn(held, from)
	mark := noHolder
	if err == nil {
		mark = offered
	}
	if errors.Is(context.Cause(held), errRoleLost) {
		err = fmt.Errorf("role %s: %w", shard.Role, errRoleLost)
	}
	lose(nil)
	<-ended
	// The next one takes the role at once. Where this fails, it waits.
	_, _ = t.save(context.WithoutCancel(ctx), mark)
	s.log.Info("role given up", "role", shard.Role)
	return err
}

// Through reads how far the holders of shards have come, 0 where nobody told. It
// fails when that takes long.
func (s *Store) Through(ctx context.Context, roles []string) ([]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, throughWait)
	defer cancel()
	bucket, err := s.Bucket(ctx, roleBucket)
	if err != nil {
		return nil, fmt.Errorf("progress of shards: %w", err)
	}
	through := make([]uint64, len(roles))
	for i, role := range roles {
		t := tenure{bucket: bucket, shard: Shard{Role: role}}
		if _, through[i], _, err = t.load(ctx); err != nil {
			return nil, fmt.Errorf("progress of %s: %w", role, err)
		}
	}
	return through, nil
}

// Alone says that no other process can share the store.
func (s *Store) Alone() bool { return s.node != nil }

// tenure is one time that a role is held. The key's value is its mark and, of a
// shard, how far its holders have come.
type tenure struct {
	bucket  *Bucket
	shard   Shard
	mark    string // tells this tenure from all others
	rev     uint64
	through uint64
}

// Marks of a role that nobody holds.
const (
	noHolder = ""
	offered  = "offered"
)

// take waits for the role; it fails only when ctx ends.
func (t *tenure) take(ctx context.Context) error {
	var seen uint64
	looks := 0
	for {
		mark, through, rev, err := t.load(ctx)
		switch {
		case err != nil: // says nothing about the holder
		case rev != seen:
			seen, looks = rev, 1
		default:
			looks++
		}
		if err == nil && looks >= t.patience(mark) {
			t.rev, t.through = rev, max(t.through, through)
			if ok, _ := t.save(ctx, t.mark); ok {
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

// patience is the number of looks after which a role with that mark is taken.
func (t *tenure) patience(mark string) int {
	switch {
	case mark == noHolder:
		return 1
	case mark != offered:
		return roleLooks
	case t.shard.Sated != nil && t.shard.Sated():
		return offerLooks
	default:
		return 1
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
		ok, err := t.save(ctx, t.mark)
		if ok {
			letGo.Reset(roleLetGo)
			continue
		}
		if err != nil {
			continue // the write may have happened: the next one tells
		}
		mark, _, rev, err := t.load(ctx)
		switch {
		case err != nil:
		case mark != t.mark:
			lose(errRoleLost)
			return
		default:
			t.rev = rev // of a renewal whose answer was lost
		}
	}
}

func (t *tenure) load(ctx context.Context) (mark string, through, rev uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, roleAnswer)
	defer cancel()
	value, rev, err := t.bucket.Load(ctx, t.shard.Role)
	mark, told, _ := strings.Cut(string(value), " ")
	through, _ = strconv.ParseUint(told, 10, 64)
	return mark, through, rev, err
}

func (t *tenure) save(ctx context.Context, mark string) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, roleAnswer)
	defer cancel()
	value := mark
	if t.shard.Through != nil {
		t.through = max(t.through, t.shard.Through())
		value += " " + strconv.FormatUint(t.through, 10)
	}
	next, ok, err := t.bucket.Save(ctx, t.shard.Role, []byte(value), t.rev)
	if ok {
		t.rev = next
	}
	return ok, err
}
