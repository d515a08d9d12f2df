package main

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"time"

	"callwatch/tools/faults/checker"
)

// rig is what most rows need: a callwatch, its checker, and load.
type rig struct {
	*product
	w    *checker.Client
	l    *load
	dice *rand.Rand
}

// rig builds callwatch and prepares endless load; nothing is started.
func (t *trial) rig(workers int, bad float64) (*rig, error) {
	w, err := checker.Start(t.dir)
	if err != nil {
		return nil, err
	}
	p, err := t.install(w)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	l, err := p.load(w, workers, bad)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &rig{p, w, l, rand.New(rand.NewPCG(t.seed, uint64(t.row.number)))}, nil
}

// rigOnDisk is a rig with its data on a disk of its own, which the caller closes
// last.
func (t *trial) rigOnDisk(workers int, bad float64) (*rig, *disk, error) {
	return t.rigOnDiskOf(2<<30, workers, bad)
}

func (t *trial) rigOnDiskOf(size int64, workers int, bad float64) (*rig, *disk, error) {
	d, err := t.disk(size)
	if err != nil {
		return nil, nil, err
	}
	r, err := t.rig(workers, bad)
	if err != nil {
		return nil, nil, errors.Join(err, d.close())
	}
	r.data = filepath.Join(d.dir, "data")
	r.setenv("CALLWATCH_DATA_DIR", r.data)
	return r, d, nil
}

// close ends what still runs.
func (r *rig) close() {
	if r.l.stop != nil {
		r.l.end()
	}
	r.kill()
	_ = r.w.Close() // what it had to say was said
}

// begin starts callwatch and the load.
func (r *rig) begin() error {
	if err := r.start(); err != nil {
		return err
	}
	r.l.begin()
	return nil
}

// taken waits until n more webhooks were answered 200.
func (r *rig) taken(n int64) error {
	before := r.l.acked.Load()
	return r.await("the load is taken", time.Minute, func() bool { return r.l.acked.Load()-before >= n })
}

// afterwards starts callwatch once more, for the webhooks that are still to be
// answered.
func (r *rig) afterwards() error {
	r.l.stop()
	if err := r.start(); err != nil {
		return err
	}
	r.l.drain()
	return nil
}
