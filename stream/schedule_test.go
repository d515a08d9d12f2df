package stream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dueTasks follows the due tasks of a topic until n of them came.
func dueTasks(t testing.TB, s *Store, topic string, n int) []Due {
	t.Helper()
	enough := errors.New("enough")
	var got []Due
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := s.FollowDue(ctx, topic, func(d Due) error {
		if got = append(got, d); len(got) == n {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("%d of %d tasks, then %v", len(got), n, err)
	}
	return got
}

func later(t testing.TB, s *Store, topic, key, data string, in time.Duration) (stored bool) {
	t.Helper()
	stored, err := s.Later(t.Context(), Task{Topic: topic, Key: key, At: time.Now().Add(in), Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// waiting are the data of the tasks that wait, by key.
func waiting(t testing.TB, s *Store, topic string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := s.Waiting(t.Context(), topic, func(task Task) { found[task.Key] = string(task.Data) }); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTaskComesWhenItIsDue(t *testing.T) {
	s := open(t, Config{})
	begun := time.Now()
	later(t, s, "acme", "k 1/é", "one", 900*time.Millisecond)
	later(t, s, "acme", "far", "two", time.Hour)
	later(t, s, "other", "k", "three", 0)
	if later(t, s, "acme", "k 1/é", "another", 0) {
		t.Error("a key was scheduled twice")
	}
	if diff := cmp.Diff(map[string]string{"k 1/é": "one", "far": "two"}, waiting(t, s, "acme")); diff != "" {
		t.Error(diff)
	}
	d := dueTasks(t, s, "acme", 1)[0]
	if d.Topic != "acme" || d.Key != "k 1/é" || string(d.Data) != "one" {
		t.Errorf("due: %+v", d)
	}
	if early := begun.Add(900 * time.Millisecond).Sub(d.At); early > 0 {
		t.Errorf("came %v too early", early)
	}
	if diff := cmp.Diff(map[string]string{"far": "two"}, waiting(t, s, "acme")); diff != "" {
		t.Error(diff)
	}
}

// A task that is not finished comes again; one that is does not.
func TestTaskComesUntilItIsFinished(t *testing.T) {
	s := open(t, Config{})
	later(t, s, "acme", "a", "1", 0)
	first := dueTasks(t, s, "acme", 1)[0]
	if later(t, s, "acme", "a", "2", 0) {
		t.Error("scheduled anew while it is due")
	}
	again := dueTasks(t, s, "acme", 1)[0]
	if diff := cmp.Diff(first.Task, again.Task); diff != "" {
		t.Error(diff)
	}
	for range 2 { // the second time there is nothing to finish
		if err := s.Finish(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	if !later(t, s, "acme", "a", "2", 0) {
		t.Error("a finished key cannot be scheduled")
	}
	if next := dueTasks(t, s, "acme", 1)[0]; string(next.Data) != "2" {
		t.Errorf("came again although finished: %+v", next)
	}
}

// What follows a due task is stored once, however often that task comes.
func TestTaskIsFollowedOnce(t *testing.T) {
	s := open(t, Config{})
	later(t, s, "acme", "a", "1", 0)
	d := dueTasks(t, s, "acme", 1)[0]
	for i, want := range []bool{true, false} {
		stored, err := s.Again(t.Context(), d, time.Now().Add(time.Hour), []byte("2"))
		if err != nil || stored != want {
			t.Errorf("time %d: stored %v, %v", i, stored, err)
		}
	}
	if err := s.Finish(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.Postpone(t.Context(), Task{Topic: "acme", Key: "a", At: time.Now(), Data: []byte("3")}); err != nil {
		t.Fatal(err)
	}
	if d := dueTasks(t, s, "acme", 1)[0]; string(d.Data) != "3" {
		t.Errorf("due: %+v", d)
	}
	if left := waiting(t, s, "acme"); len(left) > 0 {
		t.Errorf("still waiting: %v", left)
	}
}

func TestTaskKeyIsBounded(t *testing.T) {
	s := open(t, Config{})
	if _, err := s.Later(t.Context(), Task{Topic: "acme", Key: strings.Repeat("x", maxKey+1)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("long key: %v", err)
	}
}

// TestTaskChild is the process that TestKillLosesNoTask kills: it schedules
// tasks, and says which it stored and which it finished.
func TestTaskChild(t *testing.T) {
	dir := os.Getenv("CALLWATCH_TEST_TASKS")
	if dir == "" {
		t.Skip("runs as a child of TestKillLosesNoTask")
	}
	s, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := 0; ; i++ {
			key := fmt.Sprintf("%d-%d", os.Getpid(), i)
			in := time.Duration(i%7) * 300 * time.Millisecond
			if _, err := s.Later(t.Context(), Task{Topic: "acme", Key: key, At: time.Now().Add(in), Data: []byte("x")}); err != nil {
				return
			}
			fmt.Println("stored", key)
		}
	}()
	_ = s.FollowDue(t.Context(), "acme", func(d Due) error {
		fmt.Println("finishing", d.Key)
		return s.Finish(t.Context(), d)
	})
}

func TestKillLosesNoTask(t *testing.T) {
	dir := t.TempDir()
	stored, finishing := map[string]bool{}, map[string]bool{}
	for run := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTaskChild$")
		cmd.Env = append(os.Environ(), "CALLWATCH_TEST_TASKS="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for killed := false; lines.Scan(); {
			switch f := strings.Fields(lines.Text()); {
			case len(f) != 2:
			case f[0] == "stored":
				stored[f[1]] = true
			case f[0] == "finishing":
				finishing[f[1]] = true
			}
			if !killed && len(stored) > 400*(run+1) && len(finishing) > 150*(run+1) {
				killed = true
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	s := open(t, Config{Dir: dir})
	lost := maps.Clone(stored)
	for key := range finishing {
		delete(lost, key)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	err := s.FollowDue(ctx, "acme", func(d Due) error {
		if delete(lost, d.Key); len(lost) == 0 {
			stop()
		}
		return s.Finish(ctx, d)
	})
	if len(lost) > 0 {
		t.Errorf("%v: %d of %d tasks are lost: %.300q", err, len(lost), len(stored), slices.Sorted(maps.Keys(lost)))
	}
	t.Logf("%d stored, %d finished before the last kill", len(stored), len(finishing))
}
