package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/stream"
	"callwatch/tools/faults/rig"
)

// mostWait is the p99 of webhooks that is allowed beside a backlog, where twice the
// idle p99 is less: then it is a few time slices of the kernel (3 ms each), which
// threads of callwatch and of the senders wait for on the same processors. Without
// priority for webhooks they waited 35 ms.
const mostWait = 20 * time.Millisecond

// askEach is how often a row that measures asks how far callwatch is: answering
// is work too.
const askEach = time.Second

// backlog starts callwatch on a store with many webhooks that nobody has
// normalized yet, and sends it more.
func backlog(t *rig.Trial) error {
	r, err := t.Rig(8, 0.2)
	if err != nil {
		return err
	}
	defer r.Close()
	const rate = 100.0
	var times timings
	r.Load.Rate, r.Load.Watch = rate, times.note
	if err := r.Begin(); err != nil {
		return err
	}
	if err := r.Taken(int64(t.Times(300, 3000))); err != nil {
		return err
	}
	r.Load.End()
	idle, _ := times.p99()
	if err := r.Settled(time.Minute); err != nil {
		return err
	}
	if err := r.Stop(); err != nil {
		return err
	}
	many := t.Times(10_000, 1_000_000)
	if err := store(r, many); err != nil {
		return err
	}
	if r.Load.Requests, err = r.Traffic(t.Seed+1, 0, 0.2); err != nil {
		return err
	}
	times.reset()
	if err := r.Begin(); err != nil {
		return err
	}
	begun, before := time.Now(), r.Load.Acked.Load()
	err = r.Await("the backlog is gone", t.Span(2*time.Minute, time.Hour), func() bool {
		time.Sleep(askEach)
		n, err := strconv.Atoi(r.Metric(`callwatch_backlog_messages{stage="normalize"}`))
		m, err2 := strconv.Atoi(r.Metric(`callwatch_backlog_messages{stage="judge"}`))
		return err == nil && err2 == nil && n+m < 20
	})
	if err != nil {
		return err
	}
	took := time.Since(begun)
	busy, _ := times.p99()
	r.Load.End()
	drained := float64(many+int(r.Load.Acked.Load()-before)) / took.Seconds()
	t.Count("%d waiting, drained at %.0f/s, %.0f times the arrival; p99 %v idle and %v meanwhile", many, drained, drained/rate,
		idle.Round(time.Millisecond/10), busy.Round(time.Millisecond/10))
	if err := t.Finish(r.Product, r.Checker, "drained"); err != nil {
		return err
	}
	if !t.Short && (drained < 5*rate || busy > max(mostWait, 2*idle)) {
		return fmt.Errorf("drained at %.0f/s, p99 %v against %v", drained, busy, idle)
	}
	return nil
}

// store puts webhooks into the store of a callwatch that does not run.
func store(r *rig.Rig, many int) error {
	store, err := stream.Open(r.T, stream.Config{Dir: r.Data, Durability: stream.OS})
	if err != nil {
		return err
	}
	share := 0.2
	if !r.T.Short {
		share = 0.005 // or announcing a million's bad calls takes an hour
	}
	traffic, err := simulate.Traffic(simulate.Options{Sources: registry.Simulators(), Seed: rand.Uint64(), Rate: 1000, Bad: &share, Start: time.Now().Add(-time.Hour), Secrets: r.Secrets})
	if err != nil {
		return errors.Join(err, store.Close(r.T))
	}
	queue := make(chan stream.Record, 512)
	var failed error
	var mu sync.Mutex
	var writing sync.WaitGroup
	for range 256 {
		writing.Go(func() {
			for rec := range queue {
				if _, err := store.Append(r.T, rec); err != nil {
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
			URL: r.URL() + q.Path, Header: http.Header(q.Header), Body: q.Body, ReceivedAt: time.Now().UTC(), ContentType: q.Header.Get("Content-Type"),
		}).Body()
		queue <- stream.Record{
			Provider: b.Provider, Source: string(b.Source), ContentType: b.ContentType, Key: b.Key, CallID: b.CallID,
			Header: b.Header, ReceivedAt: b.ReceivedAt, Body: b.Bytes,
		}
		n++
	}
	close(queue)
	writing.Wait()
	return cmp.Or(failed, store.Close(r.T), rig.SyncAll(r.Data))
}
