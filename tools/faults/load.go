package main

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/tools/faults/checker"
)

// load sends webhooks until it is stopped, each again and again until it is
// answered for good, as providers do, and reports every 200 to the checker.
type load struct {
	product  *product
	checker  *checker.Client
	requests iter.Seq[simulate.Request]
	workers  int
	rate     float64 // requests a second; 0: as fast as they are taken
	watch    func(status int, took time.Duration)

	acked, refused, retried, wrong atomic.Int64
	ahead                          atomic.Int64 // nanoseconds, of the senders' clock
	client                         *http.Client
	stop                           context.CancelFunc
	done                           chan struct{}
}

// traffic is calls of all providers, a share of them bad; count 0 is endless.
func (p *product) traffic(seed uint64, count int, bad float64) (iter.Seq[simulate.Request], error) {
	return simulate.Traffic(simulate.Options{
		Sources: registry.Simulators(),
		Seed:    seed, Count: count, Rate: 1000, Bad: &bad, Start: time.Now().Add(-time.Minute), Secrets: p.secrets,
	})
}

// load of endless traffic, not yet begun.
func (p *product) load(w *checker.Client, workers int, bad float64) (*load, error) {
	requests, err := p.traffic(p.t.seed, 0, bad)
	return &load{product: p, checker: w, requests: requests, workers: workers}, err
}

// begin sends in the background until end is called or the requests are over.
func (l *load) begin() {
	ctx, stop := context.WithCancel(l.product.t)
	l.stop, l.done = stop, make(chan struct{})
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = l.workers
	l.client = &http.Client{Transport: transport, Timeout: 5 * time.Second}
	queue := make(chan simulate.Request)
	var sending sync.WaitGroup
	for range l.workers {
		sending.Go(func() {
			for r := range queue {
				l.deliver(ctx, &r)
			}
		})
	}
	go func() {
		defer close(l.done)
		begun, n := time.Now(), 0
		for r := range l.requests {
			if l.rate > 0 {
				pause(ctx, time.Until(begun.Add(time.Duration(float64(n)/l.rate*float64(time.Second)))))
			}
			if n++; ctx.Err() != nil {
				break
			}
			select {
			case queue <- r:
			case <-ctx.Done():
			}
		}
		close(queue)
		sending.Wait()
		transport.CloseIdleConnections()
	}()
}

// end stops sending and waits for the answers that are due.
func (l *load) end() {
	l.stop()
	<-l.done
}

// goneFor is how long callwatch must have been dead before drain gives up.
const goneFor = 5 * time.Second

// drain waits until all requests were answered for good, or callwatch is dead.
func (l *load) drain() {
	var gone time.Duration
	for gone < goneFor {
		select {
		case <-l.done:
			return
		case <-time.After(time.Second):
		}
		if cmd := l.product.cmd; cmd == nil || alive(cmd.Process.Pid) {
			gone = 0
		} else {
			gone += time.Second
		}
	}
	l.end()
}

func (l *load) deliver(ctx context.Context, r *simulate.Request) {
	for again := false; ; again = true {
		if again {
			l.retried.Add(1)
		}
		begun := time.Now()
		status, id := l.post(r)
		if l.watch != nil {
			l.watch(status, time.Since(begun))
		}
		switch {
		case status == http.StatusOK:
			l.acked.Add(1)
			if r.Expect == simulate.Refused {
				l.wrong.Add(1)
			}
			l.checker.Acked(id, r.Provider, r.Body)
			return
		case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			l.refused.Add(1)
			if r.Expect != simulate.Refused {
				l.wrong.Add(1)
			}
			return
		}
		if !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

// post makes one attempt; status 0 is no answer.
func (l *load) post(r *simulate.Request) (status int, id string) {
	return l.postTo(simulate.Target{URL: l.product.url()}, r)
}

func (l *load) postTo(to simulate.Target, r *simulate.Request) (status int, id string) {
	req, err := r.Sign(context.Background(), to, time.Now().Add(time.Duration(l.ahead.Load())))
	if err != nil {
		return 0, ""
	}
	res, err := l.client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return 0, "" // no promise reached the sender
	}
	var answer struct{ ID string }
	_ = json.Unmarshal(b, &answer) // only a 200 has one
	return res.StatusCode, answer.ID
}

// pause sleeps unless ctx is done first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
