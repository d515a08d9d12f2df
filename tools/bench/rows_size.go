package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

func sorted(d []time.Duration) []time.Duration {
	slices.Sort(d)
	return d
}

func memory(ctx context.Context, o *options) error {
	kept, most, now, err := o.resident(ctx, o.each*time.Duration(o.rounds))
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%.0f calls kept; resident at most %d MB, at the end %d MB\n", kept, most>>20, now>>20)
	o.verdict("resident MB at the end", float64(now>>20), 200, false)
	return nil
}

// resident is what callwatch takes in bytes with 100,000 calls kept, at most and at the
// end of a time in which 1,000 webhooks a second come.
func (o *options) resident(ctx context.Context, d time.Duration) (kept float64, most, now int64, err error) {
	const calls, rate = 100_000, 1000
	dir := filepath.Join(o.scratch, "memory")
	p, err := startCallwatch(ctx, o, dir)
	if err != nil {
		return 0, 0, 0, err
	}
	var numbers atomic.Uint64
	l := load{addr: p.addr, conns: 50, rate: rate, make: ended(small, 0, time.Now()), next: func() uint64 { return numbers.Add(1) }}
	for answered := 0; answered < calls && err == nil; { // as fast as the row is about, not faster
		var r result
		r, err = l.run(ctx, time.Duration(calls-answered)*time.Second/rate+2*time.Second)
		answered += r.answered
	}
	if err == nil {
		err = p.judged(ctx, calls)
	}
	if err != nil {
		return 0, 0, 0, errors.Join(err, p.stop())
	}
	kept, err = p.metric(ctx, "callwatch_calls_kept", "")
	if err != nil {
		return 0, 0, 0, errors.Join(err, p.stop())
	}
	most = p.resident()
	over := make(chan error, 1)
	go func() {
		_, err := l.run(ctx, d)
		over <- err
	}()
	for running := true; running; {
		select {
		case err = <-over:
			running = false
		case <-time.After(100 * time.Millisecond):
			most = max(most, p.resident())
		}
	}
	now = p.resident()
	return kept, most, now, errors.Join(err, p.stop(), os.RemoveAll(dir))
}

// store stores events until there are so many.
func store(ctx context.Context, o *options, p *process, numbers *atomic.Uint64, want int) error {
	l := load{addr: p.addr, conns: o.conns, make: ended(small, 1000, time.Now()), next: func() uint64 { return numbers.Add(1) }}
	for numbers.Load() < uint64(want) {
		if _, err := l.run(ctx, time.Second); err != nil {
			return err
		}
	}
	return p.judged(ctx, float64(want))
}

// idleFor is how long an idle process is looked at, at least: the kernel counts its
// time in hundredths of a second.
const idleFor = 10 * time.Second

func start(ctx context.Context, o *options) error {
	dir := filepath.Join(o.scratch, "start")
	begun := time.Now()
	p, err := startCallwatch(ctx, o, dir)
	if err != nil {
		return err
	}
	empty := time.Since(begun)
	time.Sleep(2 * time.Second) // past the start
	before, at := p.cpu(), time.Now()
	time.Sleep(max(o.each, idleFor))
	idle := float64(p.cpu()-before) / float64(time.Since(at))
	var numbers atomic.Uint64
	err = store(ctx, o, p, &numbers, o.events)
	var slowest time.Duration
	var page string
	if err == nil {
		slowest, page, err = p.pages(ctx)
	}
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	begun = time.Now()
	if p, err = startCallwatch(ctx, o, dir); err != nil {
		return err
	}
	full := time.Since(begun)
	if err = errors.Join(p.stop(), os.RemoveAll(dir)); err != nil {
		return err
	}
	fmt.Fprintf(o.out, "ready after %v on an empty store, after %v on %d events; idle CPU %.2f %%\n",
		empty.Round(time.Millisecond), full.Round(time.Millisecond), numbers.Load(), 100*idle)
	fmt.Fprintf(o.out, "slowest page of the console with as many: %s, %v\n", page, slowest.Round(10*time.Microsecond))
	o.verdict("slowest page, ms", float64(slowest)/1e6, 50, false)
	o.verdict("empty store, seconds", empty.Seconds(), 0.5, false)
	o.verdict("full store, seconds", full.Seconds(), 3, false)
	o.verdict("idle CPU, per cent", 100*idle, 1, false)
	return nil
}
