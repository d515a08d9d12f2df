// Command faults shows that callwatch keeps its promises while everything around
// it breaks: each row of the scorecard runs the real program, breaks something,
// and lets a process of its own compare what was acknowledged with what is stored
// and announced.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"callwatch/tools/faults/attack"
	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/variants"
)

const usageText = `usage: faults -list
       faults ROW|all [-seed N] [-cycles N] [-for D] [-short] [-mutate NAME | -mutations] [-record FILE] [-binaries DIR] [-keep]
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command runs the program; the exit code is 0 where the number is reached, 1
// where it is not, 2 for a mistake in the arguments.
func command(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	if len(args) > 0 && args[0] == checker.Command {
		if err := checker.Run(ctx, args[1:], in, out); err != nil {
			fmt.Fprintln(errs, "checker:", err)
			return 1
		}
		return 0
	}
	if len(args) > 0 && args[0] == attack.Command {
		if err := attack.Run(ctx, args[1:], in, out); err != nil {
			fmt.Fprintln(errs, "attackers:", err)
			return 1
		}
		return 0
	}
	if len(args) > 0 && strings.TrimLeft(args[0], "-") == "list" {
		list(out)
		return 0
	}
	o, name, err := options(args, errs)
	if err != nil {
		fmt.Fprintf(errs, "faults: %v\n%s", err, usageText)
		return 2
	}
	chosen := scorecard()
	if name != "all" {
		chosen = slices.DeleteFunc(chosen, func(r rig.Row) bool { return r.Name != name })
	}
	if len(chosen) == 0 {
		fmt.Fprintf(errs, "faults: there is no row %q; -list shows them\n", name)
		return 2
	}
	if o.Mutate != variants.None && len(chosen) == 1 && !slices.Contains(variants.Of(chosen[0].Name), o.Mutate) {
		fmt.Fprintf(errs, "faults: mutation %s does not concern row %s, which has %v\n", o.Mutate, name, variants.Of(chosen[0].Name))
		return 2
	}
	dir := o.Binaries
	if dir == "" {
		if dir, err = os.MkdirTemp("", "faults-builds-"); err != nil {
			fmt.Fprintln(errs, "faults:", err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	o.Builds = &variants.Builds{Dir: dir}
	var building sync.WaitGroup
	defer building.Wait()
	if o.Mutations { // it is there when the first of them is run
		building.Go(func() { _, _ = o.Builds.Get(ctx, variants.Mutated) }) // who uses it reports what is wrong
	}
	if err := performAll(ctx, runsOf(chosen, o), out); err != nil {
		return 1
	}
	return 0
}

// run is one run of a row.
type run struct {
	row      rig.Row
	settings rig.Settings
	wantRed  bool // a mutation is on that the row must notice
	all      bool // rows that need root or take minutes are skipped in a short run
}

// runsOf are the runs that were asked for: each row as it is, then, with -mutations, with each of
// its mutations. They are one list, so that others go on while one waits.
func runsOf(rows []rig.Row, o rig.Settings) []run {
	var runs, mutated []run
	for _, r := range rows {
		runs = append(runs, run{r, o, false, len(rows) > 1})
		for _, m := range variants.Of(r.Name) {
			with := o
			with.Mutate = m
			mutated = append(mutated, run{r, with, true, len(rows) > 1})
		}
	}
	if o.Mutations {
		return append(runs, mutated...)
	}
	return runs
}

// together is how many runs of short rows go on at a time: mostly they wait.
const together = 4

// performAll makes runs one after the other, or, short ones, a few at a time with
// the lines of each kept together.
func performAll(ctx context.Context, runs []run, out io.Writer) error {
	if len(runs) == 0 {
		return nil
	}
	slots := together
	if len(runs) == 1 || !runs[0].settings.Short {
		slots = 1
	}
	var mu sync.Mutex
	var errs []error
	keep := func(r run, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, mutation %s: %w", r.row.Name, r.settings.Mutate, err))
		}
	}
	var running sync.WaitGroup
	free := make(chan struct{}, slots)
	for _, r := range runs {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			if slots == 1 {
				keep(r, r.perform(ctx, out)) // the next waits for this one
				return
			}
			var lines bytes.Buffer
			err := r.perform(ctx, &lines)
			mu.Lock()
			defer mu.Unlock()
			keep(r, err)
			_, _ = lines.WriteTo(out) // out may be closed
		})
	}
	running.Wait()
	if len(runs) > 1 && len(errs) > 0 { // what is wrong stands at the end, whatever was printed since
		fmt.Fprintf(out, "\nwrong, %d of %d runs:\n%v\n", len(errs), len(runs), errors.Join(errs...))
	}
	return errors.Join(errs...)
}

func list(out io.Writer) {
	for _, r := range scorecard() {
		fmt.Fprintf(out, "%2d  %-9s  %s: %s\n", r.Number, r.Name, r.Fault, r.Promise)
		for _, m := range variants.Mutants() {
			if slices.Contains(m.Rows, r.Name) {
				fmt.Fprintf(out, "               -mutate %s: %s\n", m.Name, m.What)
			}
		}
	}
}

func options(args []string, errs io.Writer) (rig.Settings, string, error) {
	var o rig.Settings
	var mutate string
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.SetOutput(errs)
	f.Uint64Var(&o.Seed, "seed", 0, "of traffic and faults; 0 takes one from the clock and prints it")
	f.IntVar(&o.Cycles, "cycles", 0, "how often the fault is made; 0 is the row's own number")
	f.DurationVar(&o.Length, "for", 0, "how long to go on; 0 is the row's own")
	f.BoolVar(&o.Short, "short", false, "a few cycles only, and rows that need root are passed over")
	f.StringVar(&mutate, "mutate", string(variants.None), "leave out what keeps the promise: the row must turn red")
	f.BoolVar(&o.Mutations, "mutations", false, "run each row also with each of its mutations; they must turn it red")
	f.StringVar(&o.Record, "record", "", "append the result as a line to a file")
	f.StringVar(&o.Binaries, "binaries", "", "keep the programs that are built in a directory: the next run builds what has changed")
	f.BoolVar(&o.Keep, "keep", false, "keep the data directory and the log, and say where they are")
	name := ""
	for len(args) > 0 { // flags may be before and behind the row
		if err := f.Parse(args); err != nil {
			return o, "", err
		}
		if args = f.Args(); len(args) > 0 {
			if name != "" {
				return o, "", fmt.Errorf("two rows: %s and %s", name, args[0])
			}
			name, args = args[0], args[1:]
		}
	}
	if name == "" {
		return o, "", errors.New("no row")
	}
	o.Mutate = variants.Mutation(mutate)
	if _, ok := variants.Named(o.Mutate); !ok {
		return o, "", fmt.Errorf("no mutation %q", mutate)
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	return o, name, nil
}
