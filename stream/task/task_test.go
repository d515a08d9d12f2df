package task_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callwatch/stream"
	"callwatch/stream/names"
	"callwatch/stream/streamtest"
	"callwatch/stream/task"
)

// dueTasks follows the due tasks of a topic until n of them came.
func dueTasks(t testing.TB, s *stream.Store, topic string, n int) []task.Due {
	t.Helper()
	enough := errors.New("enough")
	var got []task.Due
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := s.FollowDue(ctx, topic, func(d task.Due) error {
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

func later(t testing.TB, s *stream.Store, topic, key, data string, in time.Duration) (stored bool) {
	t.Helper()
	stored, err := s.Later(t.Context(), task.Task{Topic: topic, Key: key, At: time.Now().Add(in), Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// stored are the data of the tasks that are there, by key.
func stored(t testing.TB, s *stream.Store, topic string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := s.Tasks(t.Context(), topic, func(task task.Task) { found[task.Key] = string(task.Data) }); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTaskComesWhenItIsDue(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	begun := time.Now()
	later(t, s, "acme", "k 1/é", "one", 900*time.Millisecond)
	later(t, s, "acme", "far", "two", time.Hour)
	later(t, s, "other", "k", "three", 0)
	if later(t, s, "acme", "k 1/é", "another", 0) {
		t.Error("a key was scheduled twice")
	}
	if diff := cmp.Diff(map[string]string{"k 1/é": "one", "far": "two"}, stored(t, s, "acme")); diff != "" {
		t.Error(diff)
	}
	d := dueTasks(t, s, "acme", 1)[0]
	if d.Topic != "acme" || d.Key != "k 1/é" || string(d.Data) != "one" {
		t.Errorf("due: %+v", d)
	}
	if early := begun.Add(900 * time.Millisecond).Sub(d.At); early > 0 {
		t.Errorf("came %v too early", early)
	}
	if diff := cmp.Diff(map[string]string{"k 1/é": "one", "far": "two"}, stored(t, s, "acme")); diff != "" {
		t.Errorf("before the due one is finished: %s", diff)
	}
	if err := s.Finish(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"far": "two"}, stored(t, s, "acme")); diff != "" {
		t.Error(diff)
	}
}

// A task that is not finished comes again; one that is does not.
func TestTaskComesUntilItIsFinished(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
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
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
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
	if err := s.Postpone(t.Context(), task.Task{Topic: "acme", Key: "a", At: time.Now(), Data: []byte("3")}); err != nil {
		t.Fatal(err)
	}
	if d := dueTasks(t, s, "acme", 1)[0]; string(d.Data) != "3" {
		t.Errorf("due: %+v", d)
	}
	if diff := cmp.Diff(map[string]string{"a": "3"}, stored(t, s, "acme")); diff != "" {
		t.Error(diff)
	}
}

func TestEraseTasks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := streamtest.Open(t, stream.Config{Dir: dir})
	for _, key := range []string{"a", "b"} {
		task := task.Task{Topic: "acme", Key: key, At: time.Now().Add(time.Hour), Data: []byte("ask for " + key)}
		for range 2 {
			if err := s.Postpone(t.Context(), task); err != nil {
				t.Fatal(err)
			}
		}
	}
	n, err := s.EraseTasks(t.Context(), "acme", func(x task.Task) bool { return string(x.Data) == "ask for a" })
	if n != 1 || err != nil {
		t.Fatalf("%d erased, %v", n, err)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if streamtest.OnDisk(t, dir, "ask for a") || !streamtest.OnDisk(t, dir, "ask for b") {
		t.Error("the wrong task is on the disk")
	}
	left := 0
	if err := s.Tasks(t.Context(), "acme", func(task.Task) { left++ }); left != 1 || err != nil {
		t.Errorf("%d left, %v", left, err)
	}
}

func TestTaskKeyIsBounded(t *testing.T) {
	t.Parallel()
	s := streamtest.Open(t, stream.Config{})
	if _, err := s.Later(t.Context(), task.Task{Topic: "acme", Key: strings.Repeat("x", names.MaxKey+1)}); !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("long key: %v", err)
	}
}

// TestTaskChild is the process that TestKillLosesNoTask kills: it schedules
// tasks, lets each follow itself some times, and says what it stored.
func TestTaskChild(t *testing.T) {
	dir := os.Getenv("CALLWATCH_TEST_TASKS")
	if dir == "" {
		t.Skip("runs as a child of TestKillLosesNoTask")
	}
	s, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range 300 {
			key := fmt.Sprintf("%d-%d", os.Getpid(), i)
			if _, err := s.Later(t.Context(), task.Task{Topic: "acme", Key: key, At: time.Now().Add(time.Duration(i%7) * 100 * time.Millisecond), Data: []byte("1")}); err != nil {
				return
			}
			fmt.Println("stored", key, 1)
		}
	}()
	_ = s.FollowDue(t.Context(), "acme", func(d task.Due) error {
		n, err := strconv.Atoi(string(d.Data))
		if err != nil {
			return err
		}
		if n >= 20 {
			fmt.Println("stored", d.Key, 100)
			return s.Finish(t.Context(), d)
		}
		ok, err := s.Again(t.Context(), d, time.Now().Add(300*time.Millisecond), fmt.Append(nil, n+1))
		if ok {
			fmt.Println("stored", d.Key, n+1)
		}
		if err == nil && ok && n%2 == 0 {
			if err = s.Postpone(t.Context(), task.Task{Topic: "acme", Key: d.Key, At: time.Now().Add(500 * time.Millisecond), Data: fmt.Append(nil, n+2)}); err == nil {
				fmt.Println("stored", d.Key, n+2)
			}
		}
		return errors.Join(err, s.Finish(t.Context(), d))
	})
}

func TestKillLosesNoTask(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	dir := t.TempDir()
	stored := map[string]int{} // the latest of each key
	for run := range 4 {
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
		lines, said := bufio.NewScanner(out), 0
		for killed := false; lines.Scan(); {
			f := strings.Fields(lines.Text())
			if len(f) != 3 || f[0] != "stored" {
				continue
			}
			n, err := strconv.Atoi(f[2])
			if err != nil {
				t.Fatal(err)
			}
			stored[f[1]] = max(stored[f[1]], n)
			if said++; !killed && said > 1000+300*run {
				killed = true
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	s := streamtest.Open(t, stream.Config{Dir: dir})
	found := map[string]int{}
	err := s.Tasks(t.Context(), "acme", func(task task.Task) {
		n, err := strconv.Atoi(string(task.Data))
		if err != nil {
			t.Error(err)
		}
		found[task.Key] = max(found[task.Key], n)
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range stored {
		if n < 100 && found[key] < n {
			t.Errorf("task %s: %d was stored, found is %d", key, n, found[key])
		}
	}
	// All that are there become due.
	ctx, stop := context.WithTimeout(t.Context(), 2*streamtest.Patience)
	defer stop()
	_ = s.FollowDue(ctx, "acme", func(d task.Due) error {
		if delete(found, d.Key); len(found) == 0 {
			stop()
		}
		return s.Finish(ctx, d)
	})
	if len(found) > 0 {
		t.Errorf("%d of %d tasks never become due: %.300q", len(found), len(stored), slices.Sorted(maps.Keys(found)))
	}
}
