package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"callwatch/stream/natstest"
)

// clusterStages are what one replica at a time does.
func clusterStages() []string { return []string{"normalize", "judge", "announce"} }

// cluster runs three replicas on a cluster of three NATS servers: one holds all stages and is sent
// nothing, one is sent all webhooks, one does neither. What each takes of a processor says what
// another replica adds.
func cluster(ctx context.Context, o *options) error {
	fmt.Fprintln(o.out, "| body | taken | judged | us of a processor per webhook: holds the stages | is sent all webhooks | neither | the three NATS servers |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, c := range []struct {
		size int
		make maker
	}{{small, ended(small, 100, time.Now())}, {large, report(large, time.Now())}} {
		if err := o.clusterOf(ctx, c.size, c.make); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) clusterOf(ctx context.Context, size int, made maker) (err error) {
	dir := filepath.Join(o.scratch, "cluster")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	servers, err := natstest.Start(ctx, dir, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()
	entry, err := servers.Enter()
	if err != nil {
		return err
	}
	var replicas []*process
	defer func() {
		for _, p := range replicas {
			err = errors.Join(err, p.stop())
		}
	}()
	for i := range 3 {
		p, err := startCallwatch(ctx, o, filepath.Join(dir, fmt.Sprint("replica", i)), "CALLWATCH_NATS_URL="+entry.URL, "CALLWATCH_NATS_REPLICAS=3")
		if err != nil {
			return err
		}
		replicas = append(replicas, p)
		if i == 0 { // the others find its leases taken
			if err := p.holds(ctx); err != nil {
				return err
			}
		}
	}
	used := func() (each [4]time.Duration) {
		for i, p := range replicas {
			each[i] = p.cpu()
		}
		for _, pid := range servers.PIDs() {
			each[3] += cpuOf(pid)
		}
		return each
	}
	var numbers atomic.Uint64
	before, begun := used(), time.Now()
	l := load{addr: replicas[1].addr, conns: o.conns, make: made, next: func() uint64 { return numbers.Add(1) }}
	got, err := l.run(ctx, o.each)
	if err != nil {
		return err
	}
	var rate float64
	for i, p := range replicas {
		if err := p.judged(ctx, float64(got.answered)); err != nil {
			return err
		}
		if i == 0 {
			rate = float64(got.answered) / time.Since(begun).Seconds()
		}
	}
	after := used()
	fmt.Fprintf(o.out, "| %.1f KB | %.0f/s | %.0f/s |", float64(size)/1000, got.rate(), rate)
	for i := range after {
		fmt.Fprintf(o.out, " %.0f |", float64((after[i]-before[i]).Microseconds())/float64(got.answered))
	}
	fmt.Fprintln(o.out)
	return nil
}

// holds waits until the replica holds all stages.
func (p *process) holds(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, time.Minute)
	defer done()
	for _, stage := range clusterStages() {
		for {
			n, err := p.metric(ctx, "callwatch_stage_held", `stage="`+stage+`"`)
			if err != nil {
				return fmt.Errorf("wait for stage %s: %w", stage, err)
			}
			if n == 1 {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}
