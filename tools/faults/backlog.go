package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/stream"
)

// askEach is how often a row that measures asks how far callwatch is: answering
// is work too.
const askEach = time.Second

// backlog starts callwatch on a store with many webhooks that nobody has
// normalized yet, and sends it more.
func backlog(t *trial) error {
	r, err := t.rig(8, 0.2)
	if err != nil {
		return err
	}
	defer r.close()
	const rate = 100.0
	var times timings
	r.l.rate, r.l.watch = rate, times.note
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.taken(int64(t.times(300, 3000))); err != nil {
		return err
	}
	r.l.end()
	idle, _ := times.p99()
	if err := r.settled(time.Minute); err != nil {
		return err
	}
	if err := r.stop(); err != nil {
		return err
	}
	many := t.times(10_000, 1_000_000)
	if err := r.store(many); err != nil {
		return err
	}
	if r.l.requests, err = r.traffic(t.seed+1, 0, 0.2); err != nil {
		return err
	}
	times.reset()
	if err := r.begin(); err != nil {
		return err
	}
	begun, before := time.Now(), r.l.acked.Load()
	err = r.await("the backlog is gone", t.span(2*time.Minute, time.Hour), func() bool {
		time.Sleep(askEach)
		n, err := strconv.Atoi(r.metric(`callwatch_backlog_messages{stage="normalize"}`))
		m, err2 := strconv.Atoi(r.metric(`callwatch_backlog_messages{stage="judge"}`))
		return err == nil && err2 == nil && n+m < 20
	})
	if err != nil {
		return err
	}
	took := time.Since(begun)
	busy, _ := times.p99()
	r.l.end()
	drained := float64(many+int(r.l.acked.Load()-before)) / took.Seconds()
	t.count("%d waiting, drained at %.0f/s, %.0f times the arrival; p99 %v idle and %v meanwhile", many, drained, drained/rate,
		idle.Round(time.Millisecond/10), busy.Round(time.Millisecond/10))
	if err := t.finish(r.product, r.w, "drained"); err != nil {
		return err
	}
	if !t.short && (drained < 5*rate || busy > 2*idle+time.Millisecond) {
		return fmt.Errorf("drained at %.0f/s, p99 %v against %v", drained, busy, idle)
	}
	return nil
}

// store puts webhooks into the store of a callwatch that does not run.
func (r *rig) store(many int) error {
	store, err := stream.Open(r.t, stream.Config{Dir: r.data, Durability: stream.OS})
	if err != nil {
		return err
	}
	share := 0.2
	if !r.t.short {
		share = 0.005 // or announcing a million's bad calls takes an hour
	}
	traffic, err := simulate.Traffic(simulate.Options{Sources: registry.Simulators(), Seed: rand.Uint64(), Rate: 1000, Bad: &share, Start: time.Now().Add(-time.Hour), Secrets: r.secrets})
	if err != nil {
		return errors.Join(err, store.Close(r.t))
	}
	queue := make(chan stream.Record, 512)
	var failed error
	var mu sync.Mutex
	var writing sync.WaitGroup
	for range 256 {
		writing.Go(func() {
			for rec := range queue {
				if _, err := store.Append(r.t, rec); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	n := 0
	for q := range traffic {
		if n == many {
			break
		}
		p, _ := registry.Find(q.Provider)
		b := normalizer.Trust(p, &normalizer.Request{
			URL: r.url() + q.Path, Header: http.Header(q.Header), Body: q.Body, ReceivedAt: time.Now().UTC(), ContentType: q.Header.Get("Content-Type"),
		}).Body()
		queue <- stream.Record{
			Provider: b.Provider, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key, CallID: b.CallID,
			Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
		}
		n++
	}
	close(queue)
	writing.Wait()
	return cmp.Or(failed, store.Close(r.t), syncAll(r.data))
}

// syncAll has the files under a directory written: a backlog of acknowledged
// webhooks is on disk, and is not being brought there while it is measured.
func syncAll(dir string) error {
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
