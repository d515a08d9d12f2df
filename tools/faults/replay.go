package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"callwatch/stream"
	"callwatch/tools/faults/checker"
)

// replay makes callwatch judge and announce everything from the first event on
// again: checkpoints and the note of what is settled are taken away.
func replay(t *trial) error {
	r, err := t.rig(32, 0.6)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.w.Faults(checker.SlackFaults{Seed: t.seed, Share: 0.1}); err != nil {
		return err
	}
	if err := r.fill(r.w, t.times(200, 5000), 0.6); err != nil {
		return err
	}
	if err := r.settled(t.span(2*time.Minute, 10*time.Minute)); err != nil {
		return err
	}
	if err := r.stop(); err != nil {
		return err
	}
	before, err := r.w.Posts()
	if err != nil {
		return err
	}
	streams := filepath.Join(r.data, "jetstream", "$G", "streams")
	if err := errors.Join(os.RemoveAll(filepath.Join(streams, "CALLWATCH_CHECKPOINTS")), os.Remove(filepath.Join(r.data, "marks.json"))); err != nil {
		return err
	}
	if err := forgetSettled(t, r.data); err != nil {
		return err
	}
	if err := r.start(); err != nil {
		return err
	}
	if err := r.settled(t.span(2*time.Minute, 10*time.Minute)); err != nil {
		return err
	}
	after, err := r.w.Posts()
	if err != nil {
		return err
	}
	t.count("%d threads with %d replies before, %d with %d after, %d new posts", before.Roots, before.Replies, after.Roots, after.Replies, after.Posted-before.Posted)
	if err := t.finish(r.product, r.w, "replayed"); err != nil {
		return err
	}
	if n := after.Posted - before.Posted; n > 0 {
		return fmt.Errorf("%d new posts", n)
	}
	return nil
}

// forgetSettled removes the note up to where transitions were announced.
func forgetSettled(t *trial, dir string) error {
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
