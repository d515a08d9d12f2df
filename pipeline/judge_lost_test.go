package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callwatch/rules"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
)

// Damage in ALERTS takes the transitions of an incident: it is stored again, as the same incident
// and once, however often callwatch is started.
func TestTransitionsThatDamageTook(t *testing.T) {
	t.Parallel()
	set, problems := rulefmt.Load("rules.yaml", []byte(badCallRule))
	if problems.Errors() {
		t.Fatal(problems)
	}
	dir := t.TempDir()
	before := foldOn(t, dir, set, func(s *setup) {
		put(t, s.store, birdCall("5001", 2.5))
		put(t, s.store, birdCall("5002", 2.5))
		if err := s.normalize.RunStored(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if len(before) != 2 {
		t.Fatalf("incidents %v", before)
	}
	var blocks []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "CALLWATCH_ALERTS") && filepath.Ext(path) == ".blk" {
			blocks = append(blocks, path)
		}
		return err
	})
	if err != nil || len(blocks) != 1 {
		t.Fatalf("blocks %v, %v", blocks, err)
	}
	b, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/4] ^= 1 // in the middle of the first of two
	if err := os.WriteFile(blocks[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	// A process that finds the damage and is killed before it stores them again.
	store, err := stream.Open(t.Context(), stream.Config{Dir: dir, Log: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if h := store.Health(t.Context()); len(h.Flaws) == 0 || store.TransitionsLost() == 0 {
		t.Errorf("flaws %v, %d places", h.Flaws, store.TransitionsLost())
	}
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for again := range 2 {
		after := foldOn(t, dir, set, func(s *setup) {
			if lost := s.store.TransitionsLost(); lost > 0 != (again == 0) {
				t.Errorf("start %d: %d places", again, lost)
			}
		})
		if len(after) != 2 {
			t.Fatalf("incidents %v, before %v", after, before)
		}
		for id, steps := range after {
			if len(steps) != 1 || steps[0] != rules.StepOpened || before[id] == nil {
				t.Errorf("incident %s: %v, before %v", id, steps, before)
			}
		}
	}
}

// foldOn judges on the store of a directory until nothing is left, and returns the transitions of
// each incident.
func foldOn(t *testing.T, dir string, set *rules.Set, prepare func(*setup)) map[string][]rules.Step {
	t.Helper()
	store, err := stream.Open(t.Context(), stream.Config{Dir: dir, Log: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	s := stagesOn(t, store, set)
	prepare(s)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.judge.fold(ctx, true) }()
	steps := map[string][]rules.Step{}
	eventually(t, "all is judged", func() bool {
		steps = map[string][]rules.Step{}
		err := store.StoredTransitions(t.Context(), func(st stream.Transition) error {
			var tr rules.Transition
			if err := json.Unmarshal(st.Data, &tr); err != nil {
				return err
			}
			steps[tr.Incident.ID] = append(steps[tr.Incident.ID], tr.Step)
			return nil
		})
		return err == nil && len(steps) == 2
	})
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if err := store.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	return steps
}
