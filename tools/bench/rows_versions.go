package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// backtested is how many events the backtest of the row versions reads.
const backtested = 100_000

// figure is a measure of the row versions: what it is of, and whether more is better.
type figure struct {
	name string
	more bool
	once bool // it takes minutes: in the first round only
	of   func(context.Context, *options) (float64, error)
}

// versions measures this callwatch and an earlier one in turns. Both judge the rules of
// the earlier one, so that both do the same work.
func versions(ctx context.Context, o *options) (err error) {
	if o.against == "" {
		return errors.New("-against names the commit to compare with")
	}
	before, err := o.checkout(ctx)
	if err != nil {
		return err
	}
	now := *o
	now.rules = before.rules
	pipe := func(made func() maker, judged bool) func(context.Context, *options) (float64, error) {
		return func(ctx context.Context, o *options) (float64, error) {
			r, rate, err := o.judge(ctx, made(), o.each, nil)
			if judged {
				return rate, err
			}
			return r.rate(), err
		}
	}
	status := func() maker { return ended(small, 100, time.Now()) }
	reports := func() maker { return report(large, time.Now()) }
	wait := func(q float64) func(context.Context, *options) (float64, error) {
		return func(ctx context.Context, o *options) (float64, error) {
			_, waits, err := o.announce(ctx, 200, 100, o.each)
			return float64(waits.quantile(q)) / 1e6, err
		}
	}
	figures := []figure{
		{"taken a second, 1.4 KB", true, false, pipe(status, false)},
		{"judged a second, 1.4 KB", true, false, pipe(status, true)},
		{"taken a second, 39 KB", true, false, pipe(reports, false)},
		{"judged a second, 39 KB", true, false, pipe(reports, true)},
		{"webhook to Slack at 200/s, p50, ms", false, false, wait(.5)},
		{"webhook to Slack at 200/s, p99, ms", false, false, wait(.99)},
		{"resident with 100,000 calls at 1,000/s, MB", false, true, func(ctx context.Context, o *options) (float64, error) {
			_, most, _, err := o.resident(ctx, o.each)
			return float64(most >> 20), err
		}},
		{"backtest, events a second", true, true, backtest},
	}
	fmt.Fprintf(o.out, "| figure | %s | this | this to %[1]s, median of the rounds |\n| --- | ---: | ---: | ---: |\n", o.against)
	var worst float64 = 1
	for _, f := range figures {
		var old, mine, ratios []float64
		for round := range o.rounds {
			if f.once && round > 0 {
				break
			}
			var rates [2]float64
			for i := range 2 {
				at := (i + round) % 2
				if rates[at], err = f.of(ctx, []*options{before, &now}[at]); err != nil {
					return fmt.Errorf("%s: %w", f.name, err)
				}
			}
			old, mine, ratios = append(old, rates[0]), append(mine, rates[1]), append(ratios, rates[1]/rates[0])
		}
		slices.Sort(old)
		slices.Sort(mine)
		slices.Sort(ratios)
		ratio := ratios[len(ratios)/2]
		fmt.Fprintf(o.out, "| %s | %.4g | %.4g | %.2f |\n", f.name, old[len(old)/2], mine[len(mine)/2], ratio)
		if !f.more {
			ratio = 1 / ratio
		}
		worst = min(worst, ratio)
	}
	o.verdict("the worst figure, to the earlier version", worst, 0.9, true)
	return nil
}

// checkout builds callwatch of the commit o.against, and finds its rules.
func (o *options) checkout(ctx context.Context) (*options, error) {
	dir := filepath.Join(o.scratch, "against")
	tree := exec.CommandContext(ctx, "sh", "-c", `mkdir "$1" && git archive "$2" | tar -x -C "$1"`, "sh", dir, o.against)
	if out, err := tree.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("check out %s: %w\n%s", o.against, err, out)
	}
	before := *o
	before.binary, before.rules = filepath.Join(dir, "callwatch"), filepath.Join(dir, "rules.yaml")
	build := exec.CommandContext(ctx, "go", "build", "-o", before.binary, "./cmd/callwatch")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", o.against, err, out)
	}
	return &before, nil
}

// backtest is how many stored events a second the command backtest reads and judges.
func backtest(ctx context.Context, o *options) (float64, error) {
	dir := filepath.Join(o.scratch, "backtest")
	p, err := startCallwatch(ctx, o, dir)
	if err != nil {
		return 0, err
	}
	var numbers atomic.Uint64
	if err := errors.Join(store(ctx, o, p, &numbers, backtested), p.stop()); err != nil {
		return 0, err
	}
	begun := time.Now()
	c := exec.CommandContext(ctx, o.binary, "backtest", "--data-dir", dir, "--rules", o.rules, "--output", "json")
	c.Env = append(os.Environ(), "CALLWATCH_URL=")
	if out, err := c.Output(); err != nil {
		return 0, fmt.Errorf("backtest: %w\n%.500s", err, out)
	}
	rate := float64(numbers.Load()) / time.Since(begun).Seconds()
	return rate, os.RemoveAll(dir)
}
