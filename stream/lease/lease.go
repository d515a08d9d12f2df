// Package lease holds the right to run a stage: one process of those that share an external
// store has it at a time. Of callwatch it imports the packages bucket and jet.
package lease

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nuid"

	"callwatch/stream/bucket"
	"callwatch/stream/jet"
)

// A lease is held by the process that wrote its key last. The holder renews it;
// a process that waits takes it over when it reads the same revision several
// times. No two clocks are compared. A holder that was suspended and continues
// does not know yet that it lost the lease: the comparisons of PutTransition,
// PublishEvents, SaveCheckpoint and Bucket.Save refuse what it writes then.
const (
	leaseBucket = "roles"                // the name in the store since format 2
	leaseEvery  = 500 * time.Millisecond // a lease is renewed, or looked at
	leaseLooks  = 6                      // at the same revision, before it is taken over
	leaseAnswer = 750 * time.Millisecond // limit for one renewal
	// leaseLetGo is how long the holder works without a confirmed renewal. With
	// leaseAnswer it is less than leaseLooks times leaseEvery.
	leaseLetGo = 2 * time.Second

	watermarkWait = 3 * time.Second
)

// noHolder is the owner of a lease that was given back.
const noHolder = ""

var errLeaseLost = fmt.Errorf("%w: another process took the lease over, or the store did not confirm it", jet.ErrConflict)

// Leases are the leases of a store.
type Leases struct {
	buckets *bucket.Buckets
	conn    *jet.Conn
}

// New returns the leases that are kept in a bucket.
func New(conn *jet.Conn, buckets *bucket.Buckets) *Leases {
	return &Leases{conn: conn, buckets: buckets}
}

// Lease is the right to run a stage. Of the processes that share an external
// store one holds it at a time.
type Lease struct {
	Name string // letters, digits and -
	// Watermark says how far this process has come, which the next holder and
	// Store.Watermark are told. It never falls. nil: the lease carries none.
	Watermark func() uint64
}

// Hold waits until this process holds the lease, runs fn, and gives the lease back
// when fn returns. fn receives the watermark of the holders before. When the lease
// is lost, fn's context ends with ErrConflict as its cause, and Hold returns that.
// Hold does not wait for a store that is away: it returns ErrUnavailable. The
// embedded server has one process: fn runs at once.
func (l *Leases) Hold(ctx context.Context, lease Lease, fn func(ctx context.Context, watermark uint64) error) error {
	if l.Alone() {
		return fn(ctx, 0)
	}
	roles, err := l.buckets.Bucket(ctx, leaseBucket)
	if err != nil {
		return fmt.Errorf("lease %s: %w", lease.Name, err)
	}
	h := holding{bucket: roles, lease: lease, owner: nuid.Next()}
	if err := h.take(ctx); err != nil {
		return err
	}
	l.conn.Log.Info("lease taken", "lease", lease.Name)
	held, lose := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	before := h.watermark
	go func() {
		defer close(ended)
		h.renew(held, lose)
	}()
	err = fn(held, before)
	if errors.Is(context.Cause(held), errLeaseLost) {
		err = fmt.Errorf("lease %s: %w", lease.Name, errLeaseLost)
	}
	lose(nil)
	<-ended
	// The next process takes the lease at once. If this write fails, it waits.
	_, _ = h.save(context.WithoutCancel(ctx), noHolder)
	l.conn.Log.Info("lease given back", "lease", lease.Name)
	return err
}

// Watermark reads how far the holders of a lease have come, 0 if none told. It
// fails after a few seconds.
func (l *Leases) Watermark(ctx context.Context, name string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, watermarkWait)
	defer cancel()
	roles, err := l.buckets.Bucket(ctx, leaseBucket)
	if err != nil {
		return 0, fmt.Errorf("watermark of %s: %w", name, err)
	}
	h := holding{bucket: roles, lease: Lease{Name: name}}
	_, watermark, _, err := h.load(ctx)
	if err != nil {
		return 0, fmt.Errorf("watermark of %s: %w", name, err)
	}
	return watermark, nil
}

// Held reports whether another process holds a lease now: it is renewed, or was given
// back, while Held looks. That takes as long as a takeover where the holder is gone.
func (l *Leases) Held(ctx context.Context, name string) (bool, error) {
	if l.Alone() {
		return false, nil
	}
	roles, err := l.buckets.Bucket(ctx, leaseBucket)
	if err != nil {
		return false, fmt.Errorf("holder of %s: %w", name, err)
	}
	h := holding{bucket: roles, lease: Lease{Name: name}}
	owner, _, first, err := h.load(ctx)
	for looks := 1; err == nil && owner != noHolder && looks < leaseLooks; looks++ {
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("holder of %s: %w", name, ctx.Err())
		case <-time.After(leaseEvery):
		}
		var rev uint64
		if _, _, rev, err = h.load(ctx); err == nil && rev != first {
			return true, nil
		}
	}
	if err != nil {
		return false, fmt.Errorf("holder of %s: %w", name, err)
	}
	return false, nil
}

// Alone reports whether no other process can share the store.
func (l *Leases) Alone() bool { return l.conn.Embedded }

// holding is one period in which a process holds a lease. The value of the key is
// the owner and, if the lease carries one, the watermark.
type holding struct {
	bucket    *bucket.Bucket
	lease     Lease
	owner     string // identifies this period
	rev       uint64
	watermark uint64
}

// take waits for the lease. It fails only when ctx ends.
func (h *holding) take(ctx context.Context) error {
	var seen uint64
	looks := 0
	for {
		owner, watermark, rev, err := h.load(ctx)
		switch {
		case err != nil: // says nothing about the holder
		case rev != seen:
			seen, looks = rev, 1
		default:
			looks++
		}
		if err == nil && (owner == noHolder || looks >= leaseLooks) {
			h.rev, h.watermark = rev, max(h.watermark, watermark)
			if ok, _ := h.save(ctx, h.owner); ok {
				return nil
			}
			looks = 0
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leaseEvery):
		}
	}
}

// renew renews the lease until ctx ends, and calls lose when that fails for too long.
func (h *holding) renew(ctx context.Context, lose context.CancelCauseFunc) {
	letGo := time.AfterFunc(leaseLetGo, func() { lose(errLeaseLost) })
	defer letGo.Stop()
	every := time.NewTicker(leaseEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		ok, err := h.save(ctx, h.owner)
		if ok {
			letGo.Reset(leaseLetGo)
			continue
		}
		if err != nil {
			continue // the write may have happened: the next one tells
		}
		owner, _, rev, err := h.load(ctx)
		switch {
		case err != nil:
		case owner != h.owner:
			lose(errLeaseLost)
			return
		default:
			h.rev = rev // of a renewal whose answer was lost
		}
	}
}

func (h *holding) load(ctx context.Context) (owner string, watermark, rev uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	value, rev, err := h.bucket.Load(ctx, h.lease.Name)
	owner, told, _ := strings.Cut(string(value), " ")
	watermark, _ = strconv.ParseUint(told, 10, 64)
	return owner, watermark, rev, err
}

func (h *holding) save(ctx context.Context, owner string) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	value := owner
	if h.lease.Watermark != nil {
		h.watermark = max(h.watermark, h.lease.Watermark())
		value += " " + strconv.FormatUint(h.watermark, 10)
	}
	next, ok, err := h.bucket.Save(ctx, h.lease.Name, []byte(value), h.rev)
	if ok {
		h.rev = next
	}
	return ok, err
}
