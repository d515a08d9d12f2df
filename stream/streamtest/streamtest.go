// Package streamtest opens stores for the tests of the packages below stream.
package streamtest

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"callwatch/stream"
	"callwatch/stream/natstest"
)

// Patience is how long a test waits for what is to happen.
const Patience = time.Minute

// Open opens a store, the embedded one where no URL is given, that is closed with the test.
func Open(t testing.TB, cfg stream.Config) *stream.Store {
	t.Helper()
	if cfg.Dir == "" && cfg.URL == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := stream.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(t, s) })
	return s
}

// Close closes a store; one that is closed already is left.
func Close(t testing.TB, s *stream.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// StartCluster starts three servers, which a short run leaves out.
func StartCluster(t *testing.T) *natstest.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts three servers")
	}
	c, err := natstest.Start(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Join opens the store of a cluster, as one of its replicas.
func Join(t *testing.T, c *natstest.Cluster) (*stream.Store, *natstest.Entry) {
	t.Helper()
	e, err := c.Enter()
	if err != nil {
		t.Fatal(err)
	}
	return Open(t, stream.Config{URL: e.URL, CredsFile: c.Creds, CAFile: c.CA, Replicas: 3, Patience: Patience}), e
}

// Eventually polls until ok.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

// Await returns what comes from c.
func Await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(Patience):
		t.Fatalf("not within %v: %s", Patience, what)
	}
	return v
}

// OnDisk says whether any file below dir holds text.
func OnDisk(t testing.TB, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
