package stream

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"callwatch/stream/names"
)

func bucket(t *testing.T, s *Store) *Bucket {
	t.Helper()
	b, err := s.Bucket(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b := bucket(t, open(t, Config{}))
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
	if _, _, err := b.Save(ctx, strings.Repeat("k", 2000), nil, 0); !errors.Is(err, ErrTooLarge) {
		t.Error("long key:", err)
	}
}

func TestBucketExpires(t *testing.T) {
	t.Parallel()
	b := bucket(t, open(t, Config{}))
	rev, _, err := b.SaveFor(t.Context(), "short", []byte("1"), 0, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.SaveFor(t.Context(), "short", []byte("2"), rev, time.Second); !ok || err != nil {
		t.Fatal(ok, err)
	}
	waitFor(t, func() bool { _, rev, err := b.Load(t.Context(), "short"); return rev == 0 && err == nil })
	if _, ok, err := b.Save(t.Context(), "short", []byte("3"), 0); !ok || err != nil {
		t.Error("created after it expired", ok, err)
	}
}

func TestBucketRace(t *testing.T) {
	t.Parallel()
	b := bucket(t, open(t, Config{}))
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

func TestEscapes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s"))
		if got, ok := names.Untoken(names.Token(s)); got != s || !ok {
			t.Fatalf("token %q came back as %q", s, got)
		}
		if strings.ContainsAny(names.Token(s), ". *>\r\n\t\x00") || names.Token(s) == "" {
			t.Fatalf("token %q", names.Token(s))
		}
		h := names.EscapeHeader(s)
		if got := names.UnescapeHeader(h); got != s {
			t.Fatalf("header %q came back as %q", s, got)
		}
		for i := range len(h) {
			if h[i] <= ' ' || h[i] > '~' || h[i] == '"' {
				t.Fatalf("header %q", h)
			}
		}
	})
}
