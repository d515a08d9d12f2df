package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
)

// olderCommit is the version that the row upgrades from: its store has another format.
const olderCommit = "a472a50"

// upgrade replaces an older callwatch by this one under load, on the same directory, goes back by
// mistake, and on again.
func upgrade(t *rig.Trial) error {
	older, err := older(t)
	if err != nil {
		return err
	}
	r, err := t.Rig(16, 0.4)
	if err != nil {
		return err
	}
	defer r.Close()
	newer := r.Binary
	r.Load.Rate = 200
	r.Binary = older
	if err := r.Begin(); err != nil {
		return fmt.Errorf("the older callwatch: %w", err)
	}
	rounds := t.Times(2, 10)
	for range rounds { // incidents of the older one are open, announced and waiting
		if err := r.Taken(200); err != nil {
			return err
		}
		if err := r.Stop(); err != nil {
			return err
		}
		if err := r.Start(); err != nil {
			return fmt.Errorf("the older callwatch: %w", err)
		}
	}
	if err := r.Taken(200); err != nil {
		return err
	}
	begun := time.Now()
	if err := r.Stop(); err != nil {
		return err
	}
	r.Binary = newer
	if err := r.Start(); err != nil {
		return err
	}
	without := time.Since(begun)
	if err := r.Taken(200); err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	if err := refuses(r, older); err != nil {
		return err
	}
	r.Binary = newer
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.Taken(200); err != nil {
		return err
	}
	r.Load.End()
	t.Count("%d starts of %s, %v without at the upgrade, going back refused", rounds+1, olderCommit, without.Round(time.Millisecond))
	return t.Finish(r.Product, r.Checker, "%d requests repeated", r.Load.Retried.Load())
}

// refuses starts a callwatch that must not take the store, and must say why.
func refuses(r *rig.Rig, older string) error {
	logged, err := r.Log.Seek(0, 2)
	if err != nil {
		return err
	}
	r.Binary = older
	if err := r.Launch(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Cmd.Wait() }()
	select {
	case err = <-ended:
	case <-time.After(r.T.Patience()):
		r.Kill()
		return errors.New("the older callwatch runs on the newer store")
	}
	said, readErr := os.ReadFile(r.Log.Name())
	if readErr != nil {
		return readErr
	}
	if err == nil || !strings.Contains(string(said[logged:]), "start a newer callwatch") {
		return fmt.Errorf("the older callwatch ended with %w and said: %.500s", err, said[logged:])
	}
	return nil
}

// older builds the older version from the repository's history.
func older(t *rig.Trial) (binary string, err error) {
	root, err := variants.ModuleRoot(t)
	if err != nil {
		return "", err
	}
	sources := filepath.Join(t.Dir, "older")
	binary = filepath.Join(t.Builds.Dir, "callwatch-"+olderCommit)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.Mkdir(sources, 0o700); err != nil {
		return "", err
	}
	archive := filepath.Join(t.Dir, "older.tar")
	if _, err := in(t, root, "git", "archive", "-o", archive, olderCommit); err != nil {
		return "", rig.Skip("no history here: %v", err)
	}
	if _, err := in(t, sources, "tar", "-xf", archive); err != nil {
		return "", fmt.Errorf("%w: %w", rig.ErrSetup, err)
	}
	if _, err := in(t, sources, "go", "build", "-o", binary, "./cmd/callwatch"); err != nil {
		return "", fmt.Errorf("%w: build %s: %w", rig.ErrSetup, olderCommit, err)
	}
	return binary, nil
}

// in runs a program in a directory.
func in(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w %s", name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
