package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	bucketPrefix = "callwatch_"
	maxKey       = 1024      // bytes of a key as encoded
	markerAge    = time.Hour // how long a bucket remembers that a key expired
)

// Bucket is a named set of keys and values with compare-and-set.
type Bucket struct {
	store *Store
	kv    jetstream.KeyValue
}

// Bucket opens the bucket of that name (letters, digits, - and _), or creates it.
func (s *Store) Bucket(ctx context.Context, name string) (*Bucket, error) {
	want := jetstream.KeyValueConfig{
		Bucket: bucketPrefix + name, History: 1, Replicas: s.cfg.Replicas, Storage: jetstream.FileStorage, LimitMarkerTTL: markerAge,
	}
	var kv jetstream.KeyValue
	err := s.settle(ctx, func(ctx context.Context) (err error) {
		kv, err = s.js.KeyValue(ctx, want.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			kv, err = s.js.CreateOrUpdateKeyValue(ctx, want)
		}
		if err != nil {
			return err
		}
		return s.moreCopies(ctx, "KV_"+want.Bucket)
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, replicasError(s.cfg.Replicas, classify(err)))
	}
	return &Bucket{store: s, kv: kv}, nil
}

// moreCopies raises the number of copies of a bucket's stream to what is asked for.
func (s *Store) moreCopies(ctx context.Context, name string) error {
	st, err := s.js.Stream(ctx, name)
	if err != nil {
		return err
	}
	config := st.CachedInfo().Config
	if config.Replicas >= s.cfg.Replicas {
		return nil
	}
	config.Replicas = s.cfg.Replicas
	_, err = s.js.UpdateStream(ctx, config)
	return err
}

// Load reads the value of key and its revision; revision 0 means that there is none.
func (b *Bucket) Load(ctx context.Context, key string) (value []byte, rev uint64, err error) {
	entry, err := b.kv.Get(ctx, token(key))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("load %q: %w", key, readError(ctx, err))
	}
	return entry.Value(), entry.Revision(), nil
}

// Save writes the value if the key's revision is still rev, 0 for a key that
// does not exist, and returns the new revision; ok is false when it is not.
func (b *Bucket) Save(ctx context.Context, key string, value []byte, rev uint64) (newRev uint64, ok bool, err error) {
	return b.SaveFor(ctx, key, value, rev, 0)
}

// SaveFor is Save of a value that is removed after ttl, in whole seconds from
// one; 0 keeps it.
func (b *Bucket) SaveFor(ctx context.Context, key string, value []byte, rev uint64, ttl time.Duration) (newRev uint64, ok bool, err error) {
	name := token(key)
	if len(name) > maxKey {
		return 0, false, fmt.Errorf("save %.40q...: %w: key of %d bytes", key, ErrTooLarge, len(key))
	}
	if rev == 0 {
		var opts []jetstream.KVCreateOpt
		if ttl > 0 {
			opts = append(opts, jetstream.KeyTTL(ttl))
		}
		newRev, err = b.kv.Create(ctx, name, value, opts...)
	} else {
		newRev, err = b.update(ctx, name, value, rev, ttl)
	}
	switch {
	case err == nil:
		return newRev, true, nil
	case lostRace(err), errors.Is(err, jetstream.ErrKeyExists):
		return 0, false, nil
	default:
		return 0, false, fmt.Errorf("save %q: %w", key, classify(err))
	}
}

// update writes as the bucket's own update does; that one takes no ttl.
func (b *Bucket) update(ctx context.Context, name string, value []byte, rev uint64, ttl time.Duration) (uint64, error) {
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(rev)}
	if ttl > 0 {
		opts = append(opts, jetstream.WithMsgTTL(ttl))
	}
	ack, err := b.store.js.Publish(ctx, "$KV."+b.kv.Bucket()+"."+name, value, opts...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// Delete removes key, if it exists.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := b.kv.Purge(ctx, token(key), jetstream.PurgeTTL(markerAge)); err != nil {
		return fmt.Errorf("delete %q: %w", key, classify(err))
	}
	return nil
}

// Keys lists the keys that begin with prefix, sorted.
func (b *Bucket) Keys(ctx context.Context, prefix string) ([]string, error) {
	list, err := b.kv.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", b.kv.Bucket(), readError(ctx, err))
	}
	defer func() { _ = list.Stop() }()
	var keys []string
	for name := range list.Keys() {
		if key, ok := untoken(name); ok && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}
