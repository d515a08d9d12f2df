package rulescmd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/rules/ruletest"
)

const rulesTestLong = `Run the tests that are under the rules of a rules file (tests:), and test files:

  rules: rules.yaml            # the rules file, relative to this one
  tests:
    low-mos:                   # a rule
      - name: fires on a bad call
        given:                 # events, one second apart unless every, after or at says otherwise
          - {call: {mos: 2.9, durationSec: 60}}
          - {repeat: 5, every: 20s, kind: stats, call: {mos: 4.2}}
          - {payload: bad.json, provider: NAME}     # a raw body, through the real normalizer
        advance: 6m            # time that passes afterwards
        expect: {state: firing, severity: critical, by: {provider: example}, matched: 1, incidents: 1,
                 held: ["mos (2.9) < 3.5"]}

state is firing, resolved, pending, unjudged, inactive (judged, did not match) or none (no call concerned
the rule). A call that says nothing else has the provider example, an id of its own, and has just ended
completed. Each test begins on Monday 2026-01-05 at 12:00 UTC, unless its first step says at: or is a payload.

Without a file the configured rules are tested. Exit 1 when a test fails or there is none, 3 under --strict
when --coverage finds a rule or condition that its tests leave one-sided.
-o json prints {"passed", "failed", "tests": [{file, line, rule, name, passed, failed: [{what, want, got}],
error, calls}], "gaps": [{rule, part, expr, missing}], "coverage": [{rule, cases, when, conditions}]}.`

// testReport is what rules test prints as JSON.
type testReport struct {
	Passed   int                      `json:"passed"`
	Failed   int                      `json:"failed"`
	Tests    []ruletest.Result        `json:"tests"`
	Gaps     []ruletest.Gap           `json:"gaps,omitempty"`
	Coverage []*ruletest.RuleCoverage `json:"coverage,omitempty"`

	took []time.Duration // by the test's place
}

func rulesTestCommand(s *cli.Settings) *cobra.Command {
	var coverage, strict, verbose bool
	var junit string
	c := &cobra.Command{Use: "test [FILE|FOLDER]...", Short: "Run the tests of rules", Long: rulesTestLong}
	c.Flags().BoolVar(&coverage, "coverage", false, "name rules and conditions that were never true or never false")
	c.Flags().BoolVar(&strict, "strict", false, "exit 3 when coverage finds something")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "name the tests that pass, too")
	c.Flags().StringVar(&junit, "junit", "", "write the results to this file as JUnit XML")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			files = []string{cfg.Rules}
		}
		suites, found, err := loadSuites(files)
		if err != nil {
			return cli.Usage(err)
		}
		if found.Errors() {
			if err := cli.PrintProblems(c, *o, found); err != nil {
				return err
			}
			return cli.Silent(cli.ExitProblems)
		}
		report := runSuites(suites, &cfg, coverage)
		if junit != "" {
			if err := writeJUnit(junit, &report); err != nil {
				return err
			}
		}
		if err := report.print(c.OutOrStdout(), *o, verbose, coverage); err != nil {
			return err
		}
		switch {
		case len(report.Tests) == 0:
			return cli.Problems(fmt.Errorf("no tests in %s", strings.Join(files, ", ")))
		case report.Failed > 0:
			return cli.Silent(cli.ExitProblems)
		case strict && len(report.Gaps) > 0:
			return cli.Silent(cli.ExitWarnings)
		}
		return nil
	}
	return c
}

func loadSuites(files []string) (suites []*rulefmt.Suite, all rules.Problems, err error) {
	for _, file := range files {
		suite, found, err := rulefmt.LoadSuite(file)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, found...)
		suites = append(suites, suite)
	}
	return suites, all, nil
}

// runSuites runs all tests. Files about the same rules share their coverage.
func runSuites(suites []*rulefmt.Suite, cfg *config.Config, coverage bool) testReport {
	report := testReport{Tests: []ruletest.Result{}}
	covers := map[string]*ruletest.Coverage{}
	var order []string
	for _, suite := range suites {
		runner := ruletest.Runner{Set: suite.Set, Options: engine.Options{Prefer: cfg.MOS, Rate: cfg.Folding().Rate}, Normalize: func(provider, file string, body []byte, at time.Time) ([]call.Event, error) {
			return normalizeFile(cfg, provider, file, body, at)
		}}
		if coverage {
			id := suite.Set.Digest
			if covers[id] == nil {
				covers[id] = ruletest.NewCoverage(suite.Set)
				order = append(order, id)
			}
			runner.Coverage = covers[id]
		}
		for i := range suite.Cases {
			begun := time.Now()
			res := runner.Run(&suite.Cases[i])
			report.took = append(report.took, time.Since(begun))
			report.Tests = append(report.Tests, res)
			if res.Passed {
				report.Passed++
			} else {
				report.Failed++
			}
		}
	}
	for _, id := range order {
		report.Gaps = append(report.Gaps, covers[id].Gaps()...)
		report.Coverage = append(report.Coverage, covers[id].Rules...)
	}
	return report
}

// normalizeFile makes events of a body that was kept in a file.
func normalizeFile(c *config.Config, provider, file string, body []byte, receivedAt time.Time) ([]call.Event, error) {
	p, ok := c.Registry.Find(provider)
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", provider)
	}
	return normalizer.Events(p, &normalizer.Body{
		Provider: p.Name, Source: normalizer.Pushed, ContentType: cli.GuessContentType(file, body),
		Header: map[string]string{}, Bytes: body, ReceivedAt: receivedAt,
	}, c.Normalizing())
}

func (r *testReport) print(w io.Writer, o cli.Output, verbose, coverage bool) error {
	var parts []any
	for i := range r.Tests {
		parts = append(parts, &r.Tests[i])
	}
	for i := range r.Gaps {
		parts = append(parts, &r.Gaps[i])
	}
	return cli.PrintReport(w, o, r, parts, func(w io.Writer) error { return r.tell(w, verbose, coverage) })
}

// tell is what people read of the report.
func (r *testReport) tell(w io.Writer, verbose, coverage bool) error {
	for i := range r.Tests {
		if t := &r.Tests[i]; !t.Passed || verbose {
			printCase(w, t)
		}
	}
	fmt.Fprintf(w, "%d tests passed, %d failed\n", r.Passed, r.Failed)
	if coverage && len(r.Gaps) == 0 {
		fmt.Fprintln(w, "every rule and every condition was both true and false")
	}
	for _, g := range r.Gaps {
		fmt.Fprintln(w, "not covered: "+g.String())
	}
	return nil
}

func printCase(w io.Writer, t *ruletest.Result) {
	if t.Passed {
		fmt.Fprintf(w, "%s    %s: %s\n", cli.Styled(w, cli.Good, "ok"), t.Rule, t.Name)
		return
	}
	fmt.Fprintf(w, "%s  %s: %s (%s:%d)\n", cli.Styled(w, cli.Bad, "FAIL"), t.Rule, t.Name, t.File, t.Line)
	if t.Error != "" {
		fmt.Fprintln(w, "      "+t.Error)
	}
	for _, m := range t.Failed {
		fmt.Fprintf(w, "      %s: expected %s, was %s\n", m.What, m.Want, m.Got)
	}
	for i := range t.Calls {
		printCall(w, "      ", &t.Calls[i])
	}
}

func writeJUnit(path string, r *testReport) error {
	b, err := r.junit()
	if err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}
