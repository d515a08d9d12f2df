// Command bench measures callwatch against its own floors: what Echo alone, Echo
// with a signature check and Echo with JetStream do on the same machine, in the
// same run. Absolute numbers depend on the machine; the ratios are what counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// options are what can be chosen on the command line.
type options struct {
	each    time.Duration // how long each server is loaded, per round
	rounds  int
	conns   int
	events  int // stored events for the rows about a full store
	only    []string
	binary  string // of callwatch; "" builds it
	against string // the commit that the row versions compares with
	rules   string // file
	scratch string // folder for stores
	out     io.Writer
}

// row is one part of the table.
type row struct {
	name string
	doc  string
	run  func(context.Context, *options) error
}

func rows() []row {
	return []row{
		{"ingest", "HMAC-signed webhooks until they are durable, beside Echo alone and Echo with JetStream", ingest},
		{"ed25519", "Ed25519-signed webhooks until they are durable, beside Echo that checks the same signature", ed25519Ingest},
		{"pipeline", "webhooks until they are judged by the sixteen shipped rules", pipeline},
		{"rivals", "Ed25519-signed webhooks until they are judged, beside Redpanda Connect's core and Echo, both with JetStream, which check and judge nothing", rivals},
		{"stages", "processor time of each stage per webhook, by a profile under 1.4 KB webhooks of the row rivals and 39 KB reports", stages},
		{"feed", "the row pipeline with and without the read model, in turns", feeding},
		{"cluster", "processor time of three replicas on three NATS servers: one holds the stages, one is sent all webhooks, one does neither", cluster},
		{"latency", "time from sending a webhook to its incident's post in Slack, at 200 a second of which 5 % alert", latency},
		{"memory", "resident memory at 1,000 webhooks a second with 100,000 open calls", memory},
		{"start", "time until ready, on an empty store and on one of many events; CPU when idle", start},
		{"pages", "what the console asks about many calls: figures, lists and search, on -events calls of two weeks", pages},
		{"versions", "this callwatch and the one of -against in turns: rates, latency, memory and backtest", versions},
		{"past", "backtest and rules suggest over -events calls, of a file and of the store", past},
		{"flat", "cost of an event as the store grows", flat},
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		if err := serveFloor(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench floor:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	o := &options{out: os.Stdout, rules: "rules.yaml"}
	list := flag.Bool("list", false, "list the rows")
	flag.DurationVar(&o.each, "for", 5*time.Second, "how long each server is loaded, per round")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the servers take turns, and medians count")
	flag.IntVar(&o.conns, "conns", 256, "connections")
	flag.IntVar(&o.events, "events", 1_000_000, "stored events for the rows start, pages, past and flat")
	profile := flag.String("cpuprofile", "", "file for a profile of bench itself, which has the read model of the row pages")
	flag.StringVar(&o.binary, "binary", "", "callwatch to measure (default: built from this source)")
	flag.StringVar(&o.against, "against", "", "commit of this repository for the row versions")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./tools/bench [flags] [row ...]")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.only = flag.Args()
	if *list {
		for _, r := range rows() {
			fmt.Fprintf(o.out, "%-10s %s\n", r.name, r.doc)
		}
		return nil
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	chosen := rows()
	if o.against == "" {
		chosen = slices.DeleteFunc(chosen, func(r row) bool { return r.name == "versions" && !slices.Contains(o.only, r.name) })
	}
	if len(o.only) > 0 {
		chosen = slices.DeleteFunc(chosen, func(r row) bool { return !slices.Contains(o.only, r.name) })
	}
	if len(chosen) == 0 || len(o.only) > len(chosen) {
		return fmt.Errorf("rows are %s", strings.Join(names(rows()), ", "))
	}
	if o.scratch, err = os.MkdirTemp("", "callwatch-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.scratch)) }()
	if o.binary == "" {
		if o.binary, err = buildCallwatch(ctx, o.scratch); err != nil {
			return err
		}
	}
	fmt.Fprintln(o.out, machine())
	for _, r := range chosen {
		fmt.Fprintf(o.out, "\n## %s: %s\n\n", r.name, r.doc)
		if err := r.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

func names(rows []row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.name
	}
	return out
}
