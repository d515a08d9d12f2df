package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// rival is one server of the comparison: it is started on an empty folder for each load.
type rival struct {
	name  string
	start func(ctx context.Context, dir string) (*process, error)
	whole bool // waits until all is judged
}

// rivals loads each server in turns. For callwatch the rate is over load and drain
// together; the others have nothing left to do when they have answered.
func rivals(ctx context.Context, o *options) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	binary := filepath.Join(o.scratch, "rival")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", "tools/bench/rival", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("build the rival: %w\n%s", err, out)
	}
	connect := func(flags ...string) func(context.Context, string) (*process, error) {
		return func(ctx context.Context, dir string) (*process, error) {
			p, err := startPrinting(exec.CommandContext(ctx, binary, append(flags, "-dir", dir)...))
			if err != nil {
				return nil, err
			}
			return p, p.answers(ctx)
		}
	}
	mine := rival{"callwatch: Ed25519, fsync, judged", func(ctx context.Context, dir string) (*process, error) {
		return startCallwatch(ctx, o, dir, "CALLWATCH_TELNYX_PUBLIC_KEY="+base64.StdEncoding.EncodeToString(public))
	}, true}
	all := []rival{
		mine,
		{"Redpanda Connect + JetStream", connect(), false},
		{"Redpanda Connect + JetStream, fsync", connect("-always"), false},
		{"Echo + JetStream, fsync", func(ctx context.Context, dir string) (*process, error) { return startFloor(ctx, floorAlways, dir, "") }, false},
	}
	fmt.Fprintln(o.out, "| server | body | webhooks | callwatch to it | processor time each | callwatch to it | most memory |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |")
	for _, size := range []int{small, large} {
		make := signed(private, hangupBody(size, time.Now()), o.signatures(size), time.Now())
		numbers := uint64(0)
		rates, costs, memory := map[string][]float64{}, map[string][]float64{}, map[string]int64{}
		for range o.rounds {
			first := numbers
			for _, r := range all {
				got, sent, err := r.load(ctx, o, make, first)
				if err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
				rates[r.name], costs[r.name] = append(rates[r.name], got.rate), append(costs[r.name], got.cost)
				memory[r.name], numbers = max(memory[r.name], got.memory), max(numbers, sent)
			}
		}
		for _, r := range all {
			fmt.Fprintf(o.out, "| %s | %.1f KB | %.0f/s | %.2f | %.0f us | %.2f | %d MB |\n", r.name, float64(size)/1000, median(rates[r.name]),
				median(rates[mine.name])/median(rates[r.name]), median(costs[r.name]), median(costs[mine.name])/median(costs[r.name]), memory[r.name]>>20)
		}
		want := map[int]float64{small: 1, large: 1.5}[size]
		defer o.verdict(fmt.Sprintf("%.1f KB: callwatch to Redpanda Connect without fsync", float64(size)/1000), median(rates[mine.name])/median(rates[all[1].name]), want, true)
	}
	return nil
}

// loaded is how a server did under load.
type loaded struct {
	rate   float64 // webhooks a second
	cost   float64 // microseconds of a processor per webhook
	memory int64   // at most, in bytes
}

// load starts the server, loads it and stops it; numbers go on behind first.
func (r *rival) load(ctx context.Context, o *options, make maker, first uint64) (out loaded, sent uint64, err error) {
	dir := filepath.Join(o.scratch, "rivals")
	p, err := r.start(ctx, dir)
	if err != nil {
		return out, 0, err
	}
	watching, stop := context.WithCancel(ctx)
	watched := p.mostResident(watching)
	var numbers atomic.Uint64
	numbers.Store(first)
	begun, before := time.Now(), p.cpu()
	l := load{addr: p.addr, conns: o.conns, make: make, next: func() uint64 { return numbers.Add(1) }}
	got, err := l.run(ctx, o.each)
	if err == nil && r.whole {
		err = p.judged(ctx, float64(got.answered))
	}
	out.rate = float64(got.answered) / time.Since(begun).Seconds()
	out.cost = float64((p.cpu() - before).Microseconds()) / float64(got.answered)
	stop()
	out.memory = <-watched
	return out, numbers.Load(), errors.Join(err, p.stop(), os.RemoveAll(dir))
}

// answers waits until the server answers at all.
func (p *process) answers(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+"/webhooks/telnyx", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			return res.Body.Close()
		}
		var refused *net.OpError
		if !errors.As(err, &refused) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// mostResident watches the memory of the process until ctx ends, and says the most.
func (p *process) mostResident(ctx context.Context) <-chan int64 {
	out := make(chan int64, 1)
	go func() {
		most := int64(0)
		for ctx.Err() == nil {
			most = max(most, p.resident())
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		out <- most
	}()
	return out
}

// signatures is how many webhooks of a size a server can at most be sent in all rounds.
func (o *options) signatures(size int) int {
	most := 25_000.0 // a second
	if size >= large {
		most = 10_000
	}
	return int(most * float64(o.rounds) * (o.each + o.each/2).Seconds())
}

func median(of []float64) float64 {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}
