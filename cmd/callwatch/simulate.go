package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// trafficFlags choose what is simulated.
type trafficFlags struct {
	providers []string
	scenario  string
	rate      float64
	count     int
	bad       string
	seed      uint64
}

func (t *trafficFlags) add(c *cobra.Command, simulators simulate.Sources) {
	var names []string
	for _, s := range simulate.Scenarios() {
		names = append(names, s.Name)
	}
	c.Flags().StringSliceVar(&t.providers, "provider", nil, "whose traffic: "+strings.Join(simulators.Names(), ", ")+" (default all)")
	c.Flags().StringVar(&t.scenario, "scenario", names[0], strings.Join(names, ", "))
	c.Flags().Float64Var(&t.rate, "rate", 5, "calls per second")
	c.Flags().StringVar(&t.bad, "bad", "", "share of bad calls, such as 5% or 0.05 (default by scenario)")
	c.Flags().Uint64Var(&t.seed, "seed", 0, "the same seed gives the same calls (default: a new one)")
}

func (t *trafficFlags) options(simulators simulate.Sources, secrets simulate.Secrets, now time.Time) (simulate.Options, error) {
	o := simulate.Options{
		Sources: simulators,
		Seed:    t.seed, Providers: t.providers, Count: t.count, Rate: t.rate, Scenario: t.scenario, Start: now, Secrets: secrets,
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if t.rate <= 0 {
		return o, usage(fmt.Errorf("--rate: %v is not above 0", t.rate))
	}
	if t.bad != "" {
		share, err := parseShare(t.bad)
		if err != nil {
			return o, usage(fmt.Errorf("--bad: %w", err))
		}
		o.Bad = &share
	}
	return o, nil
}

// parseShare reads 5% or 0.05.
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("%q is no share, such as 5%% or 0.05", s)
	}
	return v, nil
}

func simulateCommand(s *settings) *cobra.Command {
	var flags trafficFlags
	var target string
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Send realistic signed webhooks of every provider to a running callwatch",
		Long: "Send realistic signed webhooks of every provider to a running callwatch.\n\n" +
			"They are signed with the secrets in this configuration, which must be those of the receiver;\n" +
			"providers without one are left out, or sent unsigned to a server in --dev with --unsigned.\n\nScenarios:\n" + scenarioDocs(),
		Args: cobra.NoArgs,
	}
	flags.add(c, s.simulators)
	c.Flags().IntVar(&flags.count, "count", 100, "calls to send; 0 is without end")
	c.Flags().StringVar(&target, "url", "http://127.0.0.1:8080", "where callwatch takes webhooks")
	var unsigned bool
	c.Flags().BoolVar(&unsigned, "unsigned", false, "sign with generated secrets: for a server in --dev, which does not check them")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.load(c)
		if err != nil {
			return err
		}
		secrets, err := simulationSecrets(&cfg, s, &flags, unsigned)
		if err != nil {
			return err
		}
		options, err := flags.options(s.simulators, secrets, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "seed %d\n", options.Seed)
		totals, err := send(c.Context(), options, simulate.Target{URL: target, PublicURL: cfg.PublicURL})
		fmt.Fprintln(c.OutOrStdout(), totalsLine(totals))
		if err != nil {
			return err
		}
		if totals.Unexpected > 0 {
			return problems(fmt.Errorf("%d webhooks were answered otherwise than they should be; are the secrets those of the receiver?", totals.Unexpected))
		}
		return nil
	}
	return c
}

func scenarioDocs() string {
	var b strings.Builder
	for _, s := range simulate.Scenarios() {
		fmt.Fprintf(&b, "  %-14s %s\n", s.Name, s.Doc)
	}
	return b.String()
}

// simulationSecrets are what to sign with. Without --provider, providers that
// cannot be signed for are left out.
func simulationSecrets(cfg *config.Config, s *settings, flags *trafficFlags, unsigned bool) (simulate.Secrets, error) {
	if unsigned {
		return madeUpSecrets(s.simulators)
	}
	keys := map[string]normalizer.Keys{}
	for _, p := range s.providers {
		keys[p.Name] = cfg.Keys(p)
		for _, extra := range s.simulators.Settings(p.Name) {
			if i := slices.IndexFunc(s.environ, func(v string) bool { return strings.HasPrefix(v, p.EnvName(extra.Name)+"=") }); i >= 0 {
				_, value, _ := strings.Cut(s.environ[i], "=")
				keys[p.Name][extra.Name] = []string{value}
			}
		}
	}
	secrets := simulate.FromKeys(keys)
	if len(flags.providers) > 0 {
		return secrets, nil
	}
	var why []string
	for _, name := range s.simulators.Names() {
		if err := s.simulators.Sendable(secrets, name); err != nil {
			why = append(why, err.Error())
			continue
		}
		flags.providers = append(flags.providers, name)
	}
	if len(flags.providers) == 0 {
		return secrets, usage(fmt.Errorf("no provider can be signed for:\n  %s\n(--unsigned sends to a server in --dev)", strings.Join(why, "\n  ")))
	}
	return secrets, nil
}

func madeUpSecrets(simulators simulate.Sources) (simulate.Secrets, error) {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	return simulators.Generate(rand.NewChaCha8(seed))
}

func send(ctx context.Context, o simulate.Options, to simulate.Target) (simulate.Totals, error) {
	traffic, err := simulate.Traffic(o)
	if err != nil {
		return simulate.Totals{}, usage(err)
	}
	sender := simulate.Sender{Target: to, Now: time.Now}
	return sender.Send(ctx, traffic)
}

func totalsLine(t simulate.Totals) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d webhooks", t.Requests)
	for _, status := range slices.Sorted(maps.Keys(t.Statuses)) {
		fmt.Fprintf(&b, ", %d answered %d", t.Statuses[status], status)
	}
	if t.Failed > 0 {
		fmt.Fprintf(&b, ", %d without an answer", t.Failed)
	}
	return b.String()
}
