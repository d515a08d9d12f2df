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

	"callwatch/pipeline/query"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

const oneRule = "rules: [{name: a, when: mos < 3}]\n"

func opened(t *testing.T, replace func(context.Context, *rules.Set)) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(oneRule), 0o600); err != nil {
		t.Fatal(err)
	}
	f, _, err := Open(Config{Path: path, Turn: query.NewTurns().Wait, Replace: replace, Changed: func() {}, Reloaded: func(string) {}, Log: slog.New(slog.DiscardHandler)})
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
		{"a folder", func() error { return os.Mkdir(path, 0o700) }, "no *.yaml file"},
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

// A folder that comes beside the rules file is followed, all its files or none.
func TestWatchOfAFolder(t *testing.T) {
	loaded := make(chan string, 10)
	path := filepath.Join(t.TempDir(), "rules.yaml")
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(path, oneRule)
	f, _, err := Open(Config{
		Path: path, Turn: query.NewTurns().Wait, Replace: func(context.Context, *rules.Set) {}, Changed: func() {}, Log: slog.New(slog.DiscardHandler),
		Reloaded: func(outcome string) { loaded <- outcome },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Watch(ctx) }()
	defer func() { stop(); <-ended }()
	next := func(what, want string, rules int) {
		t.Helper()
		select {
		case got := <-loaded:
			if got != want || f.Status().Rules != rules {
				t.Fatalf("%s: %s, %d rules (%v); want %s, %d", what, got, f.Status().Rules, f.Status().Problems, want, rules)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: nothing happens", what)
		}
	}
	time.Sleep(2 * quietTime) // the first look has been taken
	beside := filepath.Join(filepath.Dir(path), rulefmt.Folder)
	put(filepath.Join(beside, "a.yaml"), "rules: [{name: b, when: mos < 2}]\n")
	next("a folder comes", "loaded", 2)
	put(filepath.Join(beside, "b.yaml"), "rules: [{name: c, when: mos < 2}]\n")
	next("another file", "loaded", 3)
	put(filepath.Join(beside, "a.yaml"), "rules: [{name: c, when: mos < 2}]\n")
	next("a name twice", "refused", 3)
	if s := f.Status(); !strings.Contains(s.Problems.Error(), "b.yaml:1:16: error: a rule named \"c\" is in "+filepath.Join(beside, "a.yaml")+":1 already") {
		t.Errorf("%v", s.Problems)
	}
	if err := os.Remove(filepath.Join(beside, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	next("a file is gone", "loaded", 2)
}

// A file that changes after the rules that name it were read, and before it is watched, is
// read again.
func TestFileThatChangesBeforeItIsWatched(t *testing.T) {
	var calendar string
	replaced := make(chan string, 10)
	f, path := opened(t, func(_ context.Context, s *rules.Set) {
		if len(replaced) == 0 {
			put(t, calendar, "BEGIN:VEVENT\nDTSTART:20261226\nEND:VEVENT\n")
		}
		replaced <- s.Digest
	})
	calendar = filepath.Join(filepath.Dir(path), "days", "off.ics")
	if err := os.Mkdir(filepath.Dir(calendar), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, calendar, "BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n")
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { f.Watch(ctx); close(watched) }()
	defer func() { stop(); <-watched }()
	put(t, path, "rules: [{name: a, when: mos < 3, active: {holidays: days/off.ics}}]\n")
	for deadline := time.Now().Add(20 * time.Second); len(replaced) < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the calendar of before stays: %+v", f.Status())
		}
	}
}

// put replaces a file at once, as an editor does.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// A file that the rules name is watched as they are: a change is taken, also in a folder
// below, and one with an error leaves the rules in force as they are until it is fixed.
func TestFilesThatRulesName(t *testing.T) {
	replaced := make(chan string, 10)
	f, path := opened(t, func(_ context.Context, s *rules.Set) { replaced <- s.Digest })
	calendar := filepath.Join(filepath.Dir(path), "days", "off.ics")
	if err := os.Mkdir(filepath.Dir(calendar), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) { put(t, name, text) }
	event := func(day string) string { return "BEGIN:VEVENT\nDTSTART:" + day + "\nEND:VEVENT\n" }
	seen := map[string]bool{}
	taken := func(what string) {
		t.Helper()
		select {
		case digest := <-replaced:
			if seen[digest] {
				t.Fatalf("%s: the digest is that of before", what)
			}
			seen[digest] = true
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: not reloaded: %+v", what, f.Status())
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { f.Watch(ctx); close(watched) }()
	defer func() { stop(); <-watched }()
	write(calendar, event("20261225"))
	write(path, "rules: [{name: a, when: mos < 3, active: {holidays: days/off.ics}}]\n")
	taken("rules with a calendar")
	write(calendar, event("20261226"))
	taken("another calendar")
	write(calendar, event("someday"))
	for deadline := time.Now().Add(20 * time.Second); !f.Status().Refused(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a broken calendar is not refused")
		}
	}
	write(calendar, event("20261227"))
	taken("a fixed calendar")
	for deadline := time.Now().Add(20 * time.Second); f.Status().Refused(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", f.Status())
		}
	}
}
