package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// contender is one server of a comparison.
type contender struct {
	name    string
	process *process
}

// compare loads the servers in turns, some rounds, and returns the median rate of
// each in requests a second.
func compare(ctx context.Context, o *options, servers []contender, requests maker) (map[string]float64, error) {
	numbers := make([]atomic.Uint64, len(servers))
	all := map[string][]float64{}
	for range o.rounds {
		for i, s := range servers {
			l := load{addr: s.process.addr, conns: o.conns, make: requests, next: func() uint64 { return numbers[i].Add(1) }}
			if _, err := l.run(ctx, o.each/10+200*time.Millisecond); err != nil { // warm
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			r, err := l.run(ctx, o.each)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			all[s.name] = append(all[s.name], r.rate())
		}
	}
	medians := map[string]float64{}
	for name, rates := range all {
		slices.Sort(rates)
		medians[name] = rates[len(rates)/2]
	}
	return medians, nil
}

func (o *options) printRates(size int, servers []contender, rates map[string]float64) {
	for _, s := range servers {
		fmt.Fprintf(o.out, "| %s | %.1f KB | %.0f/s |\n", s.name, float64(size)/1000, rates[s.name])
	}
}

// verdict prints a ratio beside its target.
func (o *options) verdict(what string, got, target float64, atLeast bool) {
	met := got >= target
	word := "at least"
	if !atLeast {
		met, word = got <= target, "at most"
	}
	mark := "met"
	if !met {
		mark = "MISSED"
	}
	fmt.Fprintf(o.out, "%s: %.2f (target %s %.2f: %s)\n", what, got, word, target, mark)
}

func ingest(ctx context.Context, o *options) (err error) {
	var servers []contender
	defer func() { err = errors.Join(err, stopAll(servers)) }()
	for _, f := range []struct{ name, kind string }{{"Echo alone", floorEcho}, {"Echo + JetStream, not fsynced", floorDefault}, {"Echo + JetStream SyncAlways", floorAlways}} {
		p, err := startFloor(ctx, f.kind, filepath.Join(o.scratch, "floor-"+f.kind), "")
		if err != nil {
			return err
		}
		servers = append(servers, contender{f.name, p})
	}
	p, err := startCallwatch(ctx, o, filepath.Join(o.scratch, "ingest"))
	if err != nil {
		return err
	}
	servers = append(servers, contender{"callwatch, fsynced", p})
	fmt.Fprintln(o.out, "| server | body | webhooks |\n| --- | --- | --- |")
	for _, size := range []int{small, large} {
		rates, err := compare(ctx, o, servers, storedOnly(size))
		if err != nil {
			return err
		}
		o.printRates(size, servers, rates)
		mine := rates["callwatch, fsynced"]
		defer o.verdict(fmt.Sprintf("%.1f KB: callwatch to Echo + JetStream that is not fsynced", float64(size)/1000), mine/rates["Echo + JetStream, not fsynced"], 0.7, true)
		defer o.verdict(fmt.Sprintf("%.1f KB: callwatch to Echo + JetStream SyncAlways", float64(size)/1000), mine/rates["Echo + JetStream SyncAlways"], 5, true)
	}
	return nil
}

func stopAll(servers []contender) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.process.stop())
	}
	return errors.Join(errs...)
}

func ed25519Ingest(ctx context.Context, o *options) (err error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	var servers []contender
	defer func() { err = errors.Join(err, stopAll(servers)) }()
	floor, err := startFloor(ctx, floorEd25519, "", hex.EncodeToString(public))
	if err != nil {
		return err
	}
	servers = append(servers, contender{"Echo + Ed25519, stored nowhere", floor})
	p, err := startCallwatch(ctx, o, filepath.Join(o.scratch, "ed25519"), "CALLWATCH_TELNYX_PUBLIC_KEY="+base64.StdEncoding.EncodeToString(public))
	if err != nil {
		return err
	}
	servers = append(servers, contender{"callwatch, fsynced", p})
	fmt.Fprintln(o.out, "| server | body | webhooks |\n| --- | --- | --- |")
	for _, size := range []int{small, large} {
		rates, err := compare(ctx, o, servers, signed(private, ignoredBody(size, time.Now()), o.signatures(size), time.Now()))
		if err != nil {
			return err
		}
		o.printRates(size, servers, rates)
		defer o.verdict(fmt.Sprintf("%.1f KB: callwatch to Echo + Ed25519", float64(size)/1000),
			rates["callwatch, fsynced"]/rates["Echo + Ed25519, stored nowhere"], 0.7, true)
	}
	return nil
}
