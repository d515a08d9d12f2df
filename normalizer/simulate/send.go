package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Sender posts requests at their times and repeats them as providers do.
type Sender struct {
	Target   Target
	Client   *http.Client     // nil: one of its own, with a timeout of 10 s
	Now      func() time.Time // the clock that signatures are dated by
	Progress func(Totals)     // told after each request, never twice at a time; may be nil
}

// Totals are what became of the requests so far.
type Totals struct {
	Requests   int            // answered or given up
	ByProvider map[string]int // of Requests
	Statuses   map[int]int    // last answers by HTTP status
	Retries    int            // further attempts
	Failed     int            // no answer at all
	Unexpected int            // answered, but refused instead of accepted or the other way round

	// Surprises are the unexpected answers by HTTP status and provider.
	Surprises map[int]map[string]int
}

const (
	inFlight   = 64
	attempts   = 5
	firstPause = 250 * time.Millisecond // doubles
	maxPause   = 10 * time.Second       // that a Retry-After may ask for
)

// Send posts the requests, each at its time since the call of Send, and returns
// when all are answered or given up. Once ctx is done nothing more is started or
// repeated; that is no error. The error is the last one of the requests that got
// no answer.
func (s Sender) Send(ctx context.Context, requests iter.Seq[Request]) (Totals, error) {
	if s.Client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = inFlight
		defer transport.CloseIdleConnections()
		s.Client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	}
	t := tally{Totals: Totals{ByProvider: map[string]int{}, Statuses: map[int]int{}, Surprises: map[int]map[string]int{}}, progress: s.Progress}
	slots := make(chan struct{}, inFlight)
	var sending sync.WaitGroup
	begun := s.Now()
	for r := range requests {
		if !wait(ctx, r.At-s.Now().Sub(begun)) {
			break
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		sending.Go(func() {
			defer func() { <-slots }()
			t.add(&r, s.deliver(ctx, &r))
		})
	}
	sending.Wait()
	if t.Failed > 0 {
		return t.Totals, fmt.Errorf("%d of %d requests got no answer: %w", t.Failed, t.Requests, t.last)
	}
	return t.Totals, nil
}

// delivery is the outcome of one request.
type delivery struct {
	status  int // 0: no answer
	retries int
	err     error
}

// deliver posts one request until it gets an answer that is not to be repeated.
func (s Sender) deliver(ctx context.Context, r *Request) (d delivery) {
	pause := firstPause
	for {
		var after time.Duration
		d.status, after, d.err = s.post(ctx, r)
		again := d.status == 0 || d.status >= 500 || d.status == http.StatusRequestTimeout || d.status == http.StatusTooManyRequests
		if !again || d.retries == attempts-1 || errors.Is(d.err, errUnsigned) || !wait(ctx, max(pause, min(after, maxPause))) {
			return d
		}
		d.retries++
		pause *= 2
	}
}

var errUnsigned = errors.New("request cannot be signed")

// post makes one attempt. The attempt outlives ctx, so that every request that
// reached the receiver is counted; the client's timeout bounds it.
func (s Sender) post(ctx context.Context, r *Request) (status int, after time.Duration, err error) {
	req, err := r.Sign(context.WithoutCancel(ctx), s.Target, s.Now())
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", errUnsigned, err)
	}
	res, err := s.Client.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("post %s %s: %w", r.Provider, r.Kind, withoutURL(err))
	}
	defer res.Body.Close()                                       //nolint:errcheck // read only
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	secs, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return res.StatusCode, time.Duration(min(max(secs, 0), 3600)) * time.Second, nil
}

// wait sleeps unless ctx is done first.
func wait(ctx context.Context, d time.Duration) bool {
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

// tally adds up deliveries from several goroutines.
type tally struct {
	mu sync.Mutex
	Totals
	last     error
	progress func(Totals)
}

func (t *tally) add(r *Request, d delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Requests++
	t.ByProvider[r.Provider]++
	t.Retries += d.retries
	if d.status == 0 {
		t.Failed++
		t.last = d.err
	} else {
		t.Statuses[d.status]++
		refused := d.status >= 300
		if refused != (r.Expect == Refused) {
			t.Unexpected++
			if t.Surprises[d.status] == nil {
				t.Surprises[d.status] = map[string]int{}
			}
			t.Surprises[d.status][r.Provider]++
		}
	}
	if t.progress != nil {
		now := t.Totals
		now.ByProvider, now.Statuses = maps.Clone(t.ByProvider), maps.Clone(t.Statuses)
		now.Surprises = map[int]map[string]int{}
		for status, by := range t.Surprises {
			now.Surprises[status] = maps.Clone(by)
		}
		t.progress(now)
	}
}
