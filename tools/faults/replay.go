package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"callwatch/stream"
	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
)

// replay makes callwatch judge and announce everything from the first event on
// again: checkpoints and the note of what is settled are taken away.
func replay(t *rig.Trial) error {
	r, err := t.Rig(32, 0.6)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Checker.Faults(checker.SlackFaults{Seed: t.Seed, Share: 0.1}); err != nil {
		return err
	}
	if err := r.Fill(r.Checker, t.Times(200, 5000), 0.6); err != nil {
		return err
	}
	if err := r.Settled(t.Span(2*time.Minute, 10*time.Minute)); err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	before, err := r.Checker.Posts()
	if err != nil {
		return err
	}
	streams := filepath.Join(r.Data, "jetstream", "$G", "streams")
	if err := errors.Join(os.RemoveAll(filepath.Join(streams, "CALLWATCH_CHECKPOINTS")), os.Remove(filepath.Join(r.Data, "marks.json"))); err != nil {
		return err
	}
	if err := forgetSettled(t, r.Data); err != nil {
		return err
	}
	if err := r.Start(); err != nil {
		return err
	}
	if err := r.Settled(t.Span(2*time.Minute, 10*time.Minute)); err != nil {
		return err
	}
	after, err := r.Checker.Posts()
	if err != nil {
		return err
	}
	t.Count("%d threads with %d replies before, %d with %d after, %d new posts", before.Roots, before.Replies, after.Roots, after.Replies, after.Posted-before.Posted)
	if err := t.Finish(r.Product, r.Checker, "replayed"); err != nil {
		return err
	}
	if n := after.Posted - before.Posted; n > 0 {
		return fmt.Errorf("%d new posts", n)
	}
	return nil
}

// forgetSettled removes the note up to where transitions were announced.
func forgetSettled(t *rig.Trial, dir string) error {
	store, err := stream.Open(t, stream.Config{Dir: dir, Reserve: 1 << 20})
	if err != nil {
		return err
	}
	ledger, err := store.Bucket(t, "notifier")
	if err == nil {
		err = ledger.Delete(t, "settled")
	}
	return errors.Join(err, store.Close(t))
}
