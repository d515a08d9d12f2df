// Package tombstone remembers which calls were erased, so that nothing that comes of one
// later is kept.
package tombstone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/stream"
	"callwatch/stream/events"
	"callwatch/stream/frame"
)

const (
	// tombstoneEvery is how often a replica checks whether another one has erased calls.
	tombstoneEvery = 500 * time.Millisecond
	// spreadTombstones is how long it takes until every replica knows a tombstone.
	spreadTombstones = 3 * tombstoneEvery

	tombstoneKey = "call."
	lateKey      = "late."
)

// Set holds hashes of the ids of erased calls, so that nothing that arrives of one later
// is kept. A hash expires with the longest retention.
type Set struct {
	store  *stream.Store
	bucket *stream.Bucket
	life   time.Duration // 0: for ever

	mu       sync.RWMutex
	known    map[string]bool
	revision uint64
}

// Open reads the tombstones. life is the longest retention of the store; 0
// keeps them for ever.
func Open(ctx context.Context, store *stream.Store, life time.Duration) (*Set, error) {
	bucket, err := store.Bucket(ctx, "erased")
	if err != nil {
		return nil, fmt.Errorf("open the tombstones: %w", err)
	}
	t := &Set{store: store, bucket: bucket, life: life}
	return t, t.read(ctx)
}

func keyOf(k call.Key) string {
	sum := sha256.Sum256([]byte(k.Source() + "\x00" + events.HeaderID(k.CallID)))
	return tombstoneKey + hex.EncodeToString(sum[:16])
}

// Add stores tombstones of calls, by all their ids, and waits until every replica
// knows them.
func (t *Set) Add(ctx context.Context, calls []call.Key) error {
	for _, k := range calls {
		key := keyOf(k)
		_, rev, err := t.bucket.Load(ctx, key)
		if err == nil { // one that is there begins its life again
			_, _, err = t.bucket.SaveFor(ctx, key, []byte(time.Now().UTC().Format(time.RFC3339)), rev, t.life.Truncate(time.Second))
		}
		if err != nil {
			return fmt.Errorf("store a tombstone: %w", err)
		}
		t.mu.Lock()
		t.known[key] = true
		t.mu.Unlock()
	}
	if t.store.Alone() {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(spreadTombstones):
		return nil
	}
}

// Any reports whether there are any.
func (t *Set) Any() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known) > 0
}

// Has reports whether the call of an id was erased.
func (t *Set) Has(k call.Key) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known) > 0 && t.known[keyOf(k)]
}

// Of reports whether one of the ids of an event's call was erased.
func (t *Set) Of(k call.Key, aliases []string) bool {
	if !t.Any() {
		return false
	}
	if t.Has(k) {
		return true
	}
	for _, alias := range aliases {
		if t.Has(k.With(alias)) {
			return true
		}
	}
	return false
}

// Run keeps up with the tombstones that other replicas store.
func (t *Set) Run(ctx context.Context) error {
	every := time.NewTicker(tombstoneEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
		revision, err := t.bucket.Revision(ctx)
		if err == nil && revision != t.revision {
			err = t.read(ctx)
		}
		if err != nil && !errors.Is(err, stream.ErrUnavailable) {
			return err
		}
	}
}

func (t *Set) read(ctx context.Context) error {
	revision, err := t.bucket.Revision(ctx)
	if err != nil {
		return err
	}
	keys, err := t.bucket.Keys(ctx, tombstoneKey)
	if err != nil {
		return fmt.Errorf("read the tombstones: %w", err)
	}
	known := make(map[string]bool, len(keys))
	for _, key := range keys {
		known[key] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.revision = known, revision
	return nil
}

// NoteLate notes webhooks of erased calls that are stored, until Blank has overwritten
// them.
func (t *Set) NoteLate(ctx context.Context, at []stream.Position) error {
	for _, p := range at {
		key := lateKey + p.String()
		_, rev, err := t.bucket.Load(ctx, key)
		if err == nil && rev == 0 {
			_, _, err = t.bucket.Save(ctx, key, []byte("1"), 0)
		}
		if err != nil {
			return fmt.Errorf("note a late webhook: %w", err)
		}
	}
	return nil
}

// Late are the webhooks noted and not overwritten yet.
func (t *Set) Late(ctx context.Context) (at []stream.Position, err error) {
	keys, err := t.bucket.Keys(ctx, lateKey)
	for _, key := range keys {
		if p, err := frame.ParsePosition(strings.TrimPrefix(key, lateKey)); err == nil {
			at = append(at, p)
		}
	}
	return at, err
}

// Blank overwrites late webhooks.
func (t *Set) Blank(ctx context.Context, store *stream.Store, at []stream.Position) error {
	if _, err := store.EraseRecords(ctx, at); err != nil {
		return err
	}
	for _, p := range at {
		if err := t.bucket.Delete(ctx, lateKey+p.String()); err != nil {
			return err
		}
	}
	return nil
}
