package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
)

func backtestCommand(s *settings) *cobra.Command {
	var from sourceFlags
	var baseline, failIf string
	var list int
	c := &cobra.Command{
		Use:   "backtest",
		Short: "Show what rules would have announced about past calls",
		Long: "Show what rules would have announced about past calls: matches, incidents, Slack messages after cooldown, grouping\n" +
			"and silence, the busiest hour, the keys and calls behind them. With --baseline also which calls are newly caught\n" +
			"and which no longer are. Nothing is sent.\n\n" + sourceHelp + "\n\n" +
			"A message is a root, its first reply, or a line in the thread: an incident that opens and resolves makes three.\n" +
			"Incidents still open at the end have not resolved yet.\n\n" +
			"--fail-if compares numbers of the report and ends with exit 1 where it holds: events, calls, matched, incidents,\n" +
			"messages, caught, missed, or of one rule, as in 'messages > 20 || low-mos.incidents > 5'; also judged, unjudged, open.",
		Args: cobra.NoArgs,
	}
	from.add(c, s.providers)
	c.Flags().StringVar(&baseline, "baseline", "", "rules file to compare with")
	c.Flags().StringVar(&failIf, "fail-if", "", "exit 1 if this holds, such as 'messages > 20'")
	c.Flags().IntVar(&list, "list", 1000, "calls to list per rule")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		if list < 1 {
			return usage(fmt.Errorf("--list: %d is not above 0", list))
		}
		src, err := newSource(c, &from, &cfg, time.Now())
		if err != nil {
			return err
		}
		plan, err := planBacktest(&cfg, baseline, failIf)
		if err != nil {
			return err
		}
		src.raw = plan.raw
		plan.options.MaxCalls = list
		report, err := plan.run(c.Context(), src)
		if err != nil {
			return err
		}
		if err := printBacktest(c.OutOrStdout(), *o, &report); err != nil {
			return err
		}
		return plan.verdict(&report)
	}
	return c
}

// backtestPlan is a backtest before it runs.
type backtestPlan struct {
	set     *rules.Set
	options backtest.Options
	limit   *backtest.Limit // nil for none
	raw     bool            // a rule may look at the providers' own members
}

func planBacktest(cfg *config.Config, baseline, failIf string) (*backtestPlan, error) {
	p := &backtestPlan{options: backtest.Options{Engine: engine.Options{Prefer: cfg.MOS, Rate: cfg.Folding().Rate}}}
	var err error
	if p.set, err = p.load(cfg.Rules); err != nil {
		return nil, err
	}
	if baseline != "" {
		if p.options.Baseline, err = p.load(baseline); err != nil {
			return nil, fmt.Errorf("baseline: %w", err)
		}
	}
	if failIf == "" {
		return p, nil
	}
	if p.limit, err = backtest.ParseLimit(failIf); err == nil {
		err = p.limit.Check(p.set, p.options.Baseline)
	}
	if err != nil {
		return nil, usage(fmt.Errorf("--fail-if: %w", err))
	}
	return p, nil
}

// load compiles a rules file.
func (p *backtestPlan) load(path string) (*rules.Set, error) {
	src, err := rules.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && path == config.DefaultRules {
		path, src, err = "shipped rules.yaml", callwatch.Rules, nil
	}
	if err != nil {
		return nil, usage(fmt.Errorf("read rules: %w", err))
	}
	set, found := rules.Load(path, src)
	if found.Errors() {
		return nil, usage(found)
	}
	p.raw = p.raw || set.ReadsRaw()
	return set, nil
}

// run feeds the events of a source to the rules.
func (p *backtestPlan) run(ctx context.Context, src *source) (backtest.Report, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	test := backtest.New(p.set, p.options)
	src.restart = func() { test = backtest.New(p.set, p.options) }
	err := src.each(ctx, func(m eventlog.Moment) error {
		if m.Event == nil {
			test.Tick(m.At)
		} else {
			test.Event(m.At, m.Event)
		}
		return nil
	})
	if src.unreadable > 0 {
		src.log.Warn("stored events cannot be read: left out, as in serve", "events", src.unreadable)
	}
	return test.Report(), err
}

// gcPercent lets garbage grow to four times what lives: events become garbage as
// fast as they are read, and collecting it at the usual 100 took a fifth of the
// time.
const gcPercent = 400

// verdict is the error of a report that --fail-if refuses.
func (p *backtestPlan) verdict(report *backtest.Report) error {
	if p.limit == nil {
		return nil
	}
	if why, exceeded := p.limit.Exceeded(report); exceeded {
		return problems(fmt.Errorf("--fail-if: %s", cmp.Or(strings.Join(why, ", "), "it holds")))
	}
	return nil
}
