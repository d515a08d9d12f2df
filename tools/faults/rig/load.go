package rig

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

// Load sends webhooks until it is stopped, each again and again until it is
// answered for good, as providers do, and reports every 200 to the checker.
type Load struct {
	product  *Product
	checker  *checker.Client
	Requests iter.Seq[simulate.Request]
	Workers  int
	Rate     float64 // requests a second; 0: as fast as they are taken
	Watch    func(status int, took time.Duration)

	Acked, refused, Retried, Wrong atomic.Int64
	ahead                          atomic.Int64 // nanoseconds, of the senders' clock
	client                         *http.Client
	Stop                           context.CancelFunc
	done                           chan struct{}
}

// Traffic is calls of all providers, a share of them bad; count 0 is endless.
func (p *Product) Traffic(seed uint64, count int, bad float64) (iter.Seq[simulate.Request], error) {
	return simulate.Traffic(simulate.Options{
		Sources: registry.Simulators(),
		Seed:    seed, Count: count, Rate: 1000, Bad: &bad, Start: time.Now().Add(-time.Minute), Secrets: p.Secrets,
	})
}

// NewLoad is a load of endless traffic, not yet begun.
func (p *Product) NewLoad(w *checker.Client, workers int, bad float64) (*Load, error) {
	requests, err := p.Traffic(p.T.Seed, 0, bad)
	return &Load{product: p, checker: w, Requests: requests, Workers: workers}, err
}

// Begin sends in the background until end is called or the requests are over.
func (l *Load) Begin() {
	ctx, stop := context.WithCancel(l.product.T)
	l.Stop, l.done = stop, make(chan struct{})
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = l.Workers
	l.client = &http.Client{Transport: transport, Timeout: 5 * time.Second}
	queue := make(chan simulate.Request)
	var sending sync.WaitGroup
	for range l.Workers {
		sending.Go(func() {
			for r := range queue {
				l.deliver(ctx, &r)
			}
		})
	}
	go func() {
		defer close(l.done)
		begun, n := time.Now(), 0
		for r := range l.Requests {
			if l.Rate > 0 {
				Pause(ctx, time.Until(begun.Add(time.Duration(float64(n)/l.Rate*float64(time.Second)))))
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

// End stops sending and waits for the answers that are due.
func (l *Load) End() {
	l.Stop()
	<-l.done
}

// goneFor is how long callwatch must have been dead before drain gives up.
const goneFor = 5 * time.Second

// Drain waits until all requests were answered for good, or callwatch is dead.
func (l *Load) Drain() {
	var gone time.Duration
	for gone < goneFor {
		select {
		case <-l.done:
			return
		case <-time.After(time.Second):
		}
		if cmd := l.product.Cmd; cmd == nil || Alive(cmd.Process.Pid) {
			gone = 0
		} else {
			gone += time.Second
		}
	}
	l.End()
}

func (l *Load) deliver(ctx context.Context, r *simulate.Request) {
	for again := false; ; again = true {
		if again {
			l.Retried.Add(1)
		}
		begun := time.Now()
		status, id := l.post(r)
		if l.Watch != nil {
			l.Watch(status, time.Since(begun))
		}
		switch {
		case status == http.StatusOK:
			l.Acked.Add(1)
			if r.Expect == simulate.Refused {
				l.Wrong.Add(1)
			}
			l.checker.Acked(id, r.Provider, r.Body)
			return
		case status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout:
			l.refused.Add(1)
			if r.Expect != simulate.Refused {
				l.Wrong.Add(1)
			}
			return
		}
		if !Pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

// post makes one attempt; status 0 is no answer.
func (l *Load) post(r *simulate.Request) (status int, id string) {
	return l.postTo(simulate.Target{URL: l.product.URL()}, r)
}

func (l *Load) postTo(to simulate.Target, r *simulate.Request) (status int, id string) {
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

// Pause sleeps unless ctx is done first.
func Pause(ctx context.Context, d time.Duration) bool {
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
