package bucket_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream"
	"callwatch/stream/bucket"
	"callwatch/stream/streamtest"
)

func things(t *testing.T, s *stream.Store) *bucket.Bucket {
	t.Helper()
	b, err := s.Bucket(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := things(t, streamtest.Open(t, stream.Config{}))
	ctx := t.Context()
	if v, rev, err := b.Load(ctx, "a.b *>é"); v != nil || rev != 0 || err != nil {
		t.Fatal(v, rev, err)
	}
	rev, ok, err := b.Save(ctx, "a.b *>é", []byte("1"), 0)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, err := b.Save(ctx, "a.b *>é", []byte("2"), 0); ok || err != nil {
		t.Errorf("created twice: %v, %v", ok, err)
	}
	if rev, ok, err = b.Save(ctx, "a.b *>é", []byte("2"), rev); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, err := b.Save(ctx, "a.b *>é", []byte("3"), rev-1); ok || err != nil {
		t.Errorf("saved over a newer one: %v, %v", ok, err)
	}
	if v, got, err := b.Load(ctx, "a.b *>é"); string(v) != "2" || got != rev || err != nil {
		t.Error(string(v), got, err)
	}
	for _, key := range []string{"", "a/2", "b"} {
		if _, ok, err := b.Save(ctx, key, nil, 0); !ok || err != nil {
			t.Fatal(key, ok, err)
		}
	}
	for prefix, want := range map[string][]string{"": {"", "a.b *>é", "a/2", "b"}, "a": {"a.b *>é", "a/2"}, "x": nil} {
		if keys, err := b.Keys(ctx, prefix); err != nil || cmp.Diff(want, keys) != "" {
			t.Errorf("keys of %q: %q, %v", prefix, keys, err)
		}
	}
	if err := b.Delete(ctx, "a.b *>é"); err != nil {
		t.Fatal(err)
	}
	if _, got, err := b.Load(ctx, "a.b *>é"); got != 0 || err != nil {
		t.Error("deleted key is there", got, err)
	}
	if _, ok, err := b.Save(ctx, "a.b *>é", []byte("4"), 0); !ok || err != nil {
		t.Error("created after delete", ok, err)
	}
	if _, _, err := b.Save(ctx, strings.Repeat("k", 2000), nil, 0); !errors.Is(err, stream.ErrTooLarge) {
		t.Error("long key:", err)
	}
}

func TestBucketExpires(t *testing.T) {
	t.Parallel()
	b := things(t, streamtest.Open(t, stream.Config{}))
	rev, _, err := b.SaveFor(t.Context(), "short", []byte("1"), 0, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.SaveFor(t.Context(), "short", []byte("2"), rev, time.Second); !ok || err != nil {
		t.Fatal(ok, err)
	}
	streamtest.Eventually(t, "the value expires", func() bool { _, rev, err := b.Load(t.Context(), "short"); return rev == 0 && err == nil })
	if _, ok, err := b.Save(t.Context(), "short", []byte("3"), 0); !ok || err != nil {
		t.Error("created after it expired", ok, err)
	}
}

func TestBucketRace(t *testing.T) {
	t.Parallel()
	b := things(t, streamtest.Open(t, stream.Config{}))
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, ok, err := b.Save(t.Context(), "lease", nil, 0); err != nil {
				t.Error(err)
			} else if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}

func TestRewriteValues(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{Dir: t.TempDir()})
	for _, name := range []string{"one", "two"} {
		b, err := s.Bucket(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range map[string]string{"a": "a number", "b": "nothing"} {
			if _, _, err := b.Save(t.Context(), key, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	change := func(v []byte) ([]byte, bool) {
		next := bytes.ReplaceAll(v, []byte("number"), []byte("erased"))
		return next, !bytes.Equal(next, v)
	}
	for _, want := range []int{2, 0} {
		if n, err := s.RewriteValues(t.Context(), change); n != want || err != nil {
			t.Errorf("%d changed, %v, want %d", n, err, want)
		}
	}
	b, err := s.Bucket(t.Context(), "two")
	if err != nil {
		t.Fatal(err)
	}
	if value, _, err := b.Load(t.Context(), "a"); string(value) != "a erased" || err != nil {
		t.Errorf("%q, %v", value, err)
	}
}
