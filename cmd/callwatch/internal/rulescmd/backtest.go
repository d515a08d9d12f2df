package rulescmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/cmd/callwatch/internal/pastevents"
	"callwatch/handlers/api"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
)

// BacktestCommand is callwatch backtest.
func BacktestCommand(s *cli.Settings) *cobra.Command {
	var from pastevents.Flags
	var baseline, failIf string
	var list int
	c := &cobra.Command{
		Use:   "backtest",
		Short: "Show what rules would have announced about past calls",
		Long: "Show what rules would have announced about past calls: matches, incidents, Slack messages after cooldown, grouping\n" +
			"and silence, the busiest hour, the keys and calls behind them. With --baseline also which calls are newly caught\n" +
			"and which no longer are. Nothing is sent. Rules are those of --rules, or the configured ones; a folder is one set.\n\n" + pastevents.Help + "\n\n" +
			"A message is a root, its first reply, or a line in the thread: an incident that opens and resolves makes three.\n" +
			"Incidents still open at the end have not resolved yet.\n\n" +
			"--fail-if compares numbers of the report and exits with 1 if the condition is true: events, calls, matched, incidents,\n" +
			"messages, caught, missed, or of one rule, as in 'messages > 20 || low-mos.incidents > 5'; also judged, unjudged, open.\n" +
			"A rule over windows catches no single calls: caught and missed leave it out.",
		Args: cobra.NoArgs,
	}
	from.Add(c, s.Providers)
	c.Flags().StringVar(&baseline, "baseline", "", "rules file to compare with")
	c.Flags().StringVar(&failIf, "fail-if", "", "exit 1 if this holds, such as 'messages > 20'")
	c.Flags().IntVar(&list, "list", 1000, "calls to list per rule")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		if list < 1 {
			return cli.Usage(fmt.Errorf("--list: %d is not above 0", list))
		}
		src, err := pastevents.New(c, &from, &cfg, time.Now())
		if err != nil {
			return err
		}
		plan, err := PlanBacktest(&cfg, baseline, failIf)
		if err != nil {
			return err
		}
		src.Raw = plan.raw
		plan.Options.MaxCalls = list
		r, err := src.Place(c, s)
		if err != nil {
			return err
		}
		var report backtest.Report
		if r != nil {
			report, err = plan.ask(c.Context(), r, src)
		} else {
			report, err = plan.Run(c.Context(), src)
		}
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

// Plan is a backtest before it runs.
type Plan struct {
	Set     *rules.Set
	Options backtest.Options
	limit   *backtest.Limit // nil for none
	raw     bool            // a rule may look at the providers' own members
}

// ask has a running callwatch do the backtest, with the local rules.
func (p *Plan) ask(ctx context.Context, r *cli.Remote, src *pastevents.Source) (report backtest.Report, err error) {
	defer src.Progress.End()
	request := api.BacktestRequest{Since: src.Since, Until: src.Until, Files: rulesOf(p.Set), Calls: min(p.Options.MaxCalls, api.MaxCalls)}
	if p.Options.Baseline != nil {
		request.Against = rulesOf(p.Options.Baseline)
	}
	body, err := json.Marshal(request)
	if err != nil {
		return report, fmt.Errorf("write request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/api/v1/rules/backtest", bytes.NewReader(body))
	if err != nil {
		return report, cli.Usage(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/x-ndjson")
	answer, err := r.Open(req)
	if err != nil {
		return report, err
	}
	defer func() { _ = answer.Close() }()
	for lines := json.NewDecoder(io.LimitReader(answer, cli.MaxAnswer)); ; {
		var line struct {
			Progress struct{ Done, Total int64 }
			Report   *backtest.Report
			Problem  *cli.Refusal
		}
		switch err := lines.Decode(&line); {
		case err != nil:
			return report, fmt.Errorf("read the answer of %s: %w", r.URL, err)
		case line.Problem != nil && line.Problem.Status/100 == 5:
			return report, line.Problem
		case line.Problem != nil:
			return report, cli.Problems(line.Problem)
		case line.Report != nil:
			return *line.Report, nil
		}
		src.Progress.At(line.Progress.Done, line.Progress.Total)
	}
}

// rulesOf are the files of a set of rules as the API takes them.
func rulesOf(set *rules.Set) []api.RulesOf {
	var files []api.RulesOf
	for _, s := range set.Sources {
		files = append(files, api.RulesOf{Name: s.Name, Rules: string(s.Text)})
	}
	return files
}

// PlanBacktest loads the configured rules, and those of baseline unless it is "".
func PlanBacktest(cfg *config.Config, baseline, failIf string) (*Plan, error) {
	p := &Plan{Options: backtest.Options{Engine: engine.Options{Prefer: cfg.MOS, Rate: cfg.Folding().Rate}}}
	var err error
	if p.Set, err = p.load(cfg.Rules); err != nil {
		return nil, err
	}
	if baseline != "" {
		if p.Options.Baseline, err = p.load(baseline); err != nil {
			return nil, fmt.Errorf("baseline: %w", err)
		}
	}
	if failIf == "" {
		return p, nil
	}
	if p.limit, err = backtest.ParseLimit(failIf); err == nil {
		err = p.limit.Check(p.Set, p.Options.Baseline)
	}
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--fail-if: %w", err))
	}
	return p, nil
}

// load compiles the rules at a path.
func (p *Plan) load(path string) (*rules.Set, error) {
	set, err := compiled(path)
	if err != nil {
		return nil, err
	}
	p.raw = p.raw || set.ReadsRaw()
	return set, nil
}

// Run feeds the events of a source to the rules.
func (p *Plan) Run(ctx context.Context, src *pastevents.Source) (backtest.Report, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	test := backtest.New(p.Set, p.Options)
	src.Restart = func() { test = backtest.New(p.Set, p.Options) }
	err := src.Each(ctx, func(m eventlog.Moment) error {
		if m.Event == nil {
			test.Tick(m.At)
		} else {
			test.EventText(m.At, m.Event, m.Text)
		}
		return nil
	})
	return test.Report(), err
}

// gcPercent lets garbage grow to four times what lives: events become garbage as
// fast as they are read, and collecting it at the usual 100 took a fifth of the
// time.
const gcPercent = 400

// verdict is the error of a report that --fail-if refuses.
func (p *Plan) verdict(report *backtest.Report) error {
	if p.limit == nil {
		return nil
	}
	if why, exceeded := p.limit.Exceeded(report); exceeded {
		return cli.Problems(fmt.Errorf("--fail-if: %s", cmp.Or(strings.Join(why, ", "), "it holds")))
	}
	return nil
}
