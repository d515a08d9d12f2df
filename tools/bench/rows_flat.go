package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// flatFrom is the smallest store of the row, in events.
const flatFrom = 10_000

// flat measures what an event costs on stores that grow tenfold.
func flat(ctx context.Context, o *options) (err error) {
	dir := filepath.Join(o.scratch, "flat")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(o.out, "| stored events | ready after | judged a second | CPU an event |\n| --- | --- | --- | --- |")
	var costs []float64
	stored := uint64(0)
	for want := uint64(flatFrom); want <= uint64(o.events); want *= 10 { //nolint:gosec // a flag that is a count
		if err := fill(ctx, dir, stored, want); err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
		answered, cost, err := flatAt(ctx, o, dir, want)
		if err != nil {
			return err
		}
		stored = want + answered
		costs = append(costs, cost)
	}
	if len(costs) == 0 {
		return fmt.Errorf("-events: fewer than %d", flatFrom)
	}
	o.verdict("cost of an event at the largest store to that at the smallest", costs[len(costs)-1]/costs[0], 1.2, false)
	return nil
}

// flatAt measures on a store as it is, and returns how many events came to it.
func flatAt(ctx context.Context, o *options, dir string, stored uint64) (answered uint64, cost float64, err error) {
	begun := time.Now()
	p, err := startCallwatch(ctx, o, dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	ready := time.Since(begun)
	if err := p.calm(ctx); err != nil {
		return 0, 0, err
	}
	var numbers atomic.Uint64
	numbers.Store(stored)
	l := load{addr: p.addr, conns: o.conns, make: ended(small, 1000, time.Now()), next: func() uint64 { return numbers.Add(1) }}
	warm, err := l.run(ctx, o.each)
	if err != nil {
		return 0, 0, err
	}
	if err := p.judged(ctx, float64(warm.answered)); err != nil {
		return 0, 0, err
	}
	spent, begun := p.cpu(), time.Now()
	r, err := l.run(ctx, o.each*time.Duration(o.rounds))
	if err != nil {
		return 0, 0, err
	}
	if err := p.judged(ctx, float64(warm.answered+r.answered)); err != nil {
		return 0, 0, err
	}
	cost = float64(p.cpu()-spent) / float64(r.answered)
	fmt.Fprintf(o.out, "| %d | %v | %.0f | %v |\n", stored, ready.Round(10*time.Millisecond), float64(r.answered)/time.Since(begun).Seconds(), time.Duration(cost).Round(time.Microsecond))
	return uint64(warm.answered + r.answered), cost, nil //nolint:gosec // counts
}

// calm waits until the process has read what it reads after its start.
func (p *process) calm(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, 30*time.Minute)
	defer done()
	for used := p.cpu(); ; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until it is calm: %w", ctx.Err())
		case <-time.After(time.Second):
		}
		now := p.cpu()
		if now-used < 50*time.Millisecond {
			return nil
		}
		used = now
	}
}
