// Package bucket keeps sets of keys and values in buckets of JetStream. Of callwatch it
// imports the packages blocks, jet and names.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/blocks"
	"callwatch/stream/jet"
	"callwatch/stream/names"
)

const markerAge = time.Hour // how long a bucket remembers that a key expired

// Buckets are all buckets of a store.
type Buckets struct {
	conn     *jet.Conn
	replicas int
	settle   func(context.Context, func(context.Context) error) error
	flaws    func() []blocks.Flaw
}

// New returns the buckets of a server, each of as many copies. settle runs what looks for
// a bucket and creates it; flaws is the damage found since the start.
func New(conn *jet.Conn, replicas int, settle func(context.Context, func(context.Context) error) error, flaws func() []blocks.Flaw) *Buckets {
	return &Buckets{conn: conn, replicas: replicas, settle: settle, flaws: flaws}
}

// Bucket is a named set of keys and values with compare-and-set. A value that
// another program put there counts as missing.
type Bucket struct {
	conn  *jet.Conn
	name  string // of the bucket on the server
	st    jetstream.Stream
	flaws func() []blocks.Flaw
}

// Damaged says whether damage was found in the bucket's files since the start. A key may
// then have an older value again: those that were replaced are in the files until they
// are rewritten.
func (b *Bucket) Damaged() bool {
	return slices.ContainsFunc(b.flaws(), func(f blocks.Flaw) bool { return f.Stream == names.BucketStreamPrefix+b.name && !f.Restored })
}

// Bucket opens the bucket of that name (letters, digits, - and _), or creates it.
func (a *Buckets) Bucket(ctx context.Context, name string) (*Bucket, error) {
	want := jetstream.KeyValueConfig{
		Bucket: names.BucketPrefix + name, Description: "callwatch: state of " + name, History: 1, Replicas: a.replicas, Storage: jetstream.FileStorage, LimitMarkerTTL: markerAge,
	}
	b := &Bucket{conn: a.conn, name: want.Bucket, flaws: a.flaws}
	err := a.settle(ctx, func(ctx context.Context) (err error) {
		b.st, err = a.conn.JS.Stream(ctx, names.BucketStreamPrefix+want.Bucket)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			if _, err = a.conn.JS.CreateOrUpdateKeyValue(ctx, want); err == nil {
				b.st, err = a.conn.JS.Stream(ctx, names.BucketStreamPrefix+want.Bucket)
			}
		}
		if err != nil {
			return err
		}
		return b.adjust(ctx, a.replicas)
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, jet.ReplicasError(a.replicas, jet.Classify(err)))
	}
	return b, nil
}

// adjust raises the number of copies of the bucket's stream to what is asked for,
// and gives it a seal.
func (b *Bucket) adjust(ctx context.Context, replicas int) (err error) {
	config, metadata := b.st.CachedInfo().Config, jet.SealMetadata(b.st.CachedInfo())
	if metadata != nil {
		config.Metadata = metadata
	}
	if metadata != nil || config.Replicas < replicas {
		config.Replicas = max(config.Replicas, replicas)
		if b.st, err = b.conn.JS.UpdateStream(ctx, config); err != nil {
			return err
		}
	}
	b.conn.UseSeal(b.st.CachedInfo())
	return nil
}

func (b *Bucket) subject(key string) string { return "$KV." + b.name + "." + names.Token(key) }

// Load reads the value of key and its revision; revision 0 means that there is none.
func (b *Bucket) Load(ctx context.Context, key string) (value []byte, rev uint64, err error) {
	m, ok, err := b.last(ctx, b.subject(key))
	if err != nil {
		return nil, 0, fmt.Errorf("load %q: %w", key, err)
	}
	if !ok {
		return nil, 0, nil
	}
	return m.Data, m.Sequence, nil
}

// last reads the last message on a subject; ok is false when it is not a value
// that callwatch stored. m is nil where there is none.
func (b *Bucket) last(ctx context.Context, subject string) (m *jetstream.RawStreamMsg, ok bool, err error) {
	m, err = b.st.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, jet.ReadError(ctx, err)
	}
	if why := b.conn.Check(names.BucketStreamPrefix+b.name, subject, m.Header, m.Sequence); why != nil {
		b.conn.Skip(names.BucketStreamPrefix+b.name, subject, m.Sequence, why)
		return m, false, nil
	}
	return m, !deleted(m.Header), nil
}

// deleted reports whether a message says that its key was deleted or expired.
func deleted(h nats.Header) bool {
	return h.Get(jet.HeaderOperation) != "" || h.Get(jet.HeaderMarker) != ""
}

// Save writes the value if the key's revision is still rev, 0 for a key that
// does not exist, and returns the new revision; ok is false when it is not.
func (b *Bucket) Save(ctx context.Context, key string, value []byte, rev uint64) (newRev uint64, ok bool, err error) {
	return b.SaveFor(ctx, key, value, rev, 0)
}

// SaveFor is Save of a value that is removed after ttl, in whole seconds from
// one; 0 keeps it.
func (b *Bucket) SaveFor(ctx context.Context, key string, value []byte, rev uint64, ttl time.Duration) (newRev uint64, ok bool, err error) {
	if n := len(names.Token(key)); n > names.MaxKey {
		return 0, false, fmt.Errorf("save %.40q...: %w: key of %d bytes", key, jet.ErrTooLarge, len(key))
	}
	newRev, err = b.put(ctx, key, value, rev, ttl)
	if rev == 0 && jet.LostRace(err) { // what is there may be deleted, or foreign
		m, exists, lastErr := b.last(ctx, b.subject(key))
		if lastErr == nil && m != nil && !exists {
			newRev, err = b.put(ctx, key, value, m.Sequence, ttl)
		}
	}
	switch {
	case err == nil:
		return newRev, true, nil
	case jet.LostRace(err):
		return 0, false, nil
	default:
		return 0, false, fmt.Errorf("save %q: %w", key, jet.Classify(err))
	}
}

func (b *Bucket) put(ctx context.Context, key string, value []byte, rev uint64, ttl time.Duration) (uint64, error) {
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(rev)}
	if ttl > 0 {
		opts = append(opts, jetstream.WithMsgTTL(ttl))
	}
	ack, err := b.conn.JS.PublishMsg(ctx, b.conn.Sealed(names.BucketStreamPrefix+b.name, &nats.Msg{Subject: b.subject(key), Data: value}), opts...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// Delete removes key, if it exists.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	m := &nats.Msg{Subject: b.subject(key), Header: nats.Header{jet.HeaderOperation: {"PURGE"}, jetstream.MsgRollup: {jetstream.MsgRollupSubject}}}
	if _, err := b.conn.JS.PublishMsg(ctx, b.conn.Sealed(names.BucketStreamPrefix+b.name, m), jetstream.WithMsgTTL(markerAge)); err != nil {
		return fmt.Errorf("delete %q: %w", key, jet.Classify(err))
	}
	return nil
}

// Keys lists the keys that begin with prefix, sorted.
func (b *Bucket) Keys(ctx context.Context, prefix string) ([]string, error) {
	root := "$KV." + b.name + "."
	var keys []string
	c := jet.Cursor{Conn: b.conn, Stream: names.BucketStreamPrefix + b.name, Batch: jet.MessagesAtOnce, ToEnd: true, Last: true, Headers: true}
	c.Deliver = func(m jetstream.Msg, _ *jetstream.MsgMetadata, _ bool) error {
		key, ok := names.Untoken(strings.TrimPrefix(m.Subject(), root))
		if ok && !deleted(m.Headers()) && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return nil
	}
	if err := c.Run(ctx); err != nil {
		return nil, fmt.Errorf("keys of %s: %w", b.name, err)
	}
	slices.Sort(keys)
	return slices.Compact(keys), nil
}

// RewriteValues replaces the values of all buckets that change wants changed; ok is
// false for one that stays. It returns how many were changed.
func (a *Buckets) RewriteValues(ctx context.Context, change func(value []byte) (changed []byte, ok bool)) (changed int, err error) {
	buckets := a.conn.JS.StreamNames(ctx, jetstream.WithStreamListSubject("$KV.>"))
	for stream := range buckets.Name() {
		name, ours := strings.CutPrefix(stream, names.BucketStreamPrefix+names.BucketPrefix)
		if !ours {
			continue
		}
		b, err := a.Bucket(ctx, name)
		if err != nil {
			return changed, err
		}
		keys, err := b.Keys(ctx, "")
		if err != nil {
			return changed, err
		}
		for _, key := range keys {
			ok, err := b.rewrite(ctx, key, change)
			if err != nil {
				return changed, err
			}
			if ok {
				changed++
			}
		}
	}
	if err := buckets.Err(); err != nil {
		return changed, fmt.Errorf("list the buckets: %w", jet.Classify(err))
	}
	return changed, nil
}

func (b *Bucket) rewrite(ctx context.Context, key string, change func([]byte) ([]byte, bool)) (changed bool, err error) {
	for range jet.MaxRewrites {
		value, rev, err := b.Load(ctx, key)
		if err != nil || rev == 0 {
			return false, err
		}
		next, ok := change(value)
		if !ok {
			return false, nil
		}
		if _, ok, err = b.Save(ctx, key, next, rev); err != nil || ok {
			return ok, err
		}
	}
	return false, fmt.Errorf("rewrite %q: %w", key, jet.ErrConflict)
}

// Revision is that of the bucket as a whole: it grows with each change.
func (b *Bucket) Revision(ctx context.Context) (uint64, error) {
	info, err := b.st.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("revision of %s: %w", b.name, jet.ReadError(ctx, err))
	}
	return info.State.LastSeq, nil
}

// Skip notes that the value of key cannot be read and counts as missing.
func (b *Bucket) Skip(key string, rev uint64, why error) {
	b.conn.Skip(names.BucketStreamPrefix+b.name, b.subject(key), rev, why)
}
