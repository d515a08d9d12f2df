package rulefile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callwatch/rules"
)

const oneRule = "rules: [{name: a, when: mos < 3}]\n"

func opened(t *testing.T, replace func(context.Context, *rules.Set)) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(oneRule), 0o600); err != nil {
		t.Fatal(err)
	}
	f, _, err := Open(Config{Path: path, Replace: replace, Changed: func() {}, Reloaded: func(string) {}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

// A reload that hangs keeps nobody who leaves waiting, and the next one runs.
func TestReloadBehindOneThatHangs(t *testing.T) {
	hangs, goOn := make(chan struct{}, 1), make(chan struct{})
	f, path := opened(t, func(context.Context, *rules.Set) { hangs <- struct{}{}; <-goOn })
	if err := os.WriteFile(path, []byte(oneRule+"# changed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() { first <- f.Reload(context.Background()) }()
	<-hangs
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("behind a reload that hangs: %v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := f.Reload(t.Context()); err != nil || f.Status().Refused() {
		t.Errorf("after it: %v, %+v", err, f.Status())
	}
}

// What cannot be rules is refused with the reason, and the next content is taken.
func TestReloadAfterARefusal(t *testing.T) {
	f, path := opened(t, func(context.Context, *rules.Set) {})
	for _, c := range []struct {
		name string
		make func() error
		says string
	}{
		{"a pipe", func() error { return pipe(path) }, "no regular file"},
		{"a folder", func() error { return os.Mkdir(path, 0o700) }, "no regular file"},
		{"a link to a device", func() error { return os.Symlink("/dev/zero", path) }, "no regular file"},
		{"a file of 100 MB", func() error {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(path, 100<<20)
		}, "4194304 bytes"},
		{"brackets", func() error {
			return os.WriteFile(path, []byte("rules: "+strings.Repeat("[", 100_000)), 0o600)
		}, "nests more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := c.make(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			err := f.Reload(ctx)
			if s := f.Status(); err != nil || !s.Refused() || !strings.Contains(s.Error+s.Problems.Error(), c.says) {
				t.Errorf("%v, %+v", err, s)
			}
			_ = os.RemoveAll(path)
			if err := os.WriteFile(path, []byte(oneRule), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := f.Reload(ctx); err != nil || f.Status().Refused() {
				t.Errorf("the file is fixed: %v, %+v", err, f.Status())
			}
		})
	}
}
