// Package rig has what the rows of the scorecard are made of: a trial, the callwatch under test
// with its process, its checker, the load that is sent to it, and a file system of its own.
package rig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/variants"
)

// Rig is what most rows need: a callwatch, its checker, and load.
type Rig struct {
	*Product
	Checker *checker.Client
	Load    *Load
	Dice    *rand.Rand
}

// Rig builds callwatch and prepares endless load; nothing is started.
func (t *Trial) Rig(workers int, bad float64) (*Rig, error) {
	w, err := checker.Start(t.Dir)
	if err != nil {
		return nil, err
	}
	p, err := t.Install(w)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	l, err := p.NewLoad(w, workers, bad)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &Rig{p, w, l, rand.New(rand.NewPCG(t.Seed, uint64(t.Row.Number)))}, nil
}

// RigOnDisk is a rig with its data on a disk of its own, which the caller closes
// last.
func (t *Trial) RigOnDisk(workers int, bad float64) (*Rig, *Disk, error) {
	return t.RigOnDiskOf(2<<30, workers, bad)
}

func (t *Trial) RigOnDiskOf(size int64, workers int, bad float64) (*Rig, *Disk, error) {
	d, err := t.disk(size)
	if err != nil {
		return nil, nil, err
	}
	r, err := t.Rig(workers, bad)
	if err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	r.Data = filepath.Join(d.dir, "data")
	r.Setenv("CALLWATCH_DATA_DIR", r.Data)
	return r, d, nil
}

// Close ends what still runs.
func (r *Rig) Close() {
	if r.Load.Stop != nil {
		r.Load.End()
	}
	r.Kill()
	_ = r.Checker.Close() // what it had to say was said
}

// Begin starts callwatch and the load.
func (r *Rig) Begin() error {
	if err := r.Start(); err != nil {
		return err
	}
	r.Load.Begin()
	return nil
}

// Taken waits until n more webhooks were answered 200.
func (r *Rig) Taken(n int64) error {
	before := r.Load.Acked.Load()
	return r.Await("the load is taken", time.Minute, func() bool { return r.Load.Acked.Load()-before >= n })
}

// Afterwards starts callwatch once more, for the webhooks that are still to be
// answered.
func (r *Rig) Afterwards() error {
	r.Load.Stop()
	if err := r.Start(); err != nil {
		return err
	}
	r.Load.Drain()
	return nil
}

// Status is what the API answers about callwatch; "" without an answer.
func (r *Rig) Status() string {
	req, err := http.NewRequestWithContext(r.T, http.MethodGet, r.URL()+"/api/v1/status", nil)
	if err != nil {
		return ""
	}
	req.Header.Set("Authorization", "Bearer "+AdminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return strings.ReplaceAll(string(b), " ", "")
}

// SyncAll has the files under a directory written: a backlog of acknowledged
// webhooks is on disk, and is not being brought there while it is measured.
func SyncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// Step sets the product's clock, and with it that of the senders.
func (r *Rig) Step(by time.Duration) error {
	file := filepath.Join(r.T.Dir, "clock")
	r.Setenv(variants.ClockFile, file)
	if err := os.WriteFile(file+".new", fmt.Appendf(nil, "%d\n", int64(by/time.Second)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	r.Load.ahead.Store(int64(by))
	Pause(r.T, 100*time.Millisecond) // it is read every 20 ms
	return nil
}
