// Package simulatecmd holds callwatch simulate: which traffic is asked for, what signs
// it, and what the answers mean. demo and doctor use its parts. It may import the
// simulators' contract (normalizer, normalizer/simulate) and the helpers of commands.
package simulatecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

// Flags choose what is simulated.
type Flags struct {
	Providers []string
	Account   string // whose secrets sign
	scenario  string
	rate      float64
	count     int
	bad       string
	Seed      uint64
}

// Add gives a command the flags.
func (t *Flags) Add(c *cobra.Command, simulators simulate.Sources) {
	var names []string
	for _, s := range simulate.Scenarios() {
		names = append(names, s.Name)
	}
	c.Flags().StringSliceVar(&t.Providers, "provider", nil, "whose traffic: "+strings.Join(simulators.Names(), ", ")+" (default all)")
	c.Flags().StringVar(&t.scenario, "scenario", names[0], strings.Join(names, ", "))
	c.Flags().Float64Var(&t.rate, "rate", 5, "calls per second")
	c.Flags().StringVar(&t.bad, "bad", "", "share of bad calls, such as 5% or 0.05 (default by scenario)")
	c.Flags().Uint64Var(&t.Seed, "seed", 0, "the same seed gives the same calls (default: a new one)")
}

// Options are the simulator's, as the flags ask for; now is when the traffic starts.
func (t *Flags) Options(simulators simulate.Sources, secrets simulate.Secrets, now time.Time) (simulate.Options, error) {
	o := simulate.Options{
		Sources: simulators,
		Seed:    t.Seed, Providers: t.Providers, Count: t.count, Rate: t.rate, Scenario: t.scenario, Start: now, Secrets: secrets,
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	for _, name := range t.Providers {
		if !slices.Contains(simulators.Names(), name) {
			return o, cli.Usage(fmt.Errorf("--provider: %w", cli.NoneOf(name, simulators.Names())))
		}
	}
	var scenarios []string
	for _, s := range simulate.Scenarios() {
		scenarios = append(scenarios, s.Name)
	}
	if !slices.Contains(scenarios, t.scenario) {
		return o, cli.Usage(fmt.Errorf("--scenario: %w", cli.NoneOf(t.scenario, scenarios)))
	}
	if t.rate <= 0 {
		return o, cli.Usage(fmt.Errorf("--rate: %v is not above 0", t.rate))
	}
	if t.bad != "" {
		share, err := parseShare(t.bad)
		if err != nil {
			return o, cli.Usage(fmt.Errorf("--bad: %w", err))
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
		return 0, fmt.Errorf("%q is not a share such as 5%% or 0.05", s)
	}
	return v, nil
}

// Command is callwatch simulate.
func Command(s *cli.Settings) *cobra.Command {
	var flags Flags
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Send realistic signed webhooks of every provider to a running callwatch",
		Long: "Send realistic signed webhooks of every provider to a running callwatch.\n\n" +
			"They are signed with the secrets in this configuration, which must be those of the receiver;\n" +
			"providers without one are left out, or sent unsigned to a server in --dev with --unsigned.\n" +
			"Answers other than expected end the command with exit 1 and say what each means.\n\nScenarios:\n" + scenarioDocs(),
		Args: cobra.NoArgs,
	}
	flags.Add(c, s.Simulators)
	c.Flags().IntVar(&flags.count, "count", 100, "calls to send; 0 is without end")
	cli.AddURL(c)
	var unsigned bool
	c.Flags().BoolVar(&unsigned, "unsigned", false, "sign with generated secrets: for a server in --dev, which does not check them")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		simulators := cfg.Simulators(s.Simulators)
		secrets, err := Secrets(&cfg, s, simulators, &flags, unsigned)
		if err != nil {
			return err
		}
		options, err := flags.Options(simulators, secrets, time.Now())
		if err != nil {
			return err
		}
		r, _, err := s.Server(c, &cfg)
		if err != nil {
			return err
		}
		if _, err := simulate.Traffic(options); err != nil {
			return cli.Usage(err)
		}
		if err := answers(c.Context(), r); err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOrStderr(), "seed %d\n", options.Seed)
		totals, err := Send(c.Context(), options, simulate.Target{URL: r.URL, PublicURL: cfg.PublicURL})
		fmt.Fprintln(c.OutOrStdout(), totalsLine(totals))
		if err != nil {
			return err
		}
		if totals.Unexpected > 0 {
			return cli.Problems(errors.New(surprises(&totals, cfg.Registry)))
		}
		return nil
	}
	return c
}

// answers tries whether anything listens there, so that a wrong address is told at
// once instead of after the repetitions of every webhook.
func answers(ctx context.Context, r *cli.Remote) error {
	ctx, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/livez", nil)
	if err != nil {
		return cli.Usage(err)
	}
	res, err := (&http.Client{Transport: r.Transport}).Do(req)
	if err != nil {
		return r.Unreachable(err)
	}
	return res.Body.Close()
}

// surprises says what the answers mean that were not as they should be.
func surprises(t *simulate.Totals, providers normalizer.Registry) string {
	var lines []string
	for _, status := range slices.Sorted(maps.Keys(t.Surprises)) {
		for _, name := range slices.Sorted(maps.Keys(t.Surprises[status])) {
			lines = append(lines, fmt.Sprintf("%s answered %d: %s", cli.Plural(t.Surprises[status][name], name+" webhook"), status, meaning(status, name, providers)))
		}
	}
	return strings.Join(lines, "\n")
}

// meaning is what an answer to a webhook says, and what to do.
func meaning(status int, provider string, providers normalizer.Registry) string {
	switch status {
	case http.StatusUnauthorized:
		return "the signature was refused; set the same secret here and at the receiver, and compare the clocks"
	case http.StatusForbidden:
		var set []string
		if p, ok := providers.Find(provider); ok {
			for _, s := range p.AllSettings() {
				if s.Use == normalizer.ForVerify {
					set = append(set, p.EnvName(s.Name))
				}
			}
		}
		return "the provider is off at the receiver; set " + cmp.Or(strings.Join(set, " or "), "its secret") + " there, or run it with --dev"
	case http.StatusNotFound:
		return "nothing takes webhooks there; --url is scheme, host and the path prefix of a proxy, without /webhooks"
	case http.StatusServiceUnavailable:
		return "the receiver could not store it; see its /readyz and its log for the cause (disk full, NATS not reachable)"
	case http.StatusTooManyRequests:
		return "the receiver is overloaded; send with a lower --rate"
	case http.StatusOK, http.StatusAccepted:
		return "it was accepted, but should have been refused; does the receiver run with --dev?"
	}
	switch {
	case status >= 500:
		return "the receiver failed; see its log"
	case status/100 == 3:
		return "the receiver redirects; give the address that it redirects to"
	}
	return "the receiver refused it; see its log"
}

func scenarioDocs() string {
	var b strings.Builder
	for _, s := range simulate.Scenarios() {
		fmt.Fprintf(&b, "  %-14s %s\n", s.Name, s.Doc)
	}
	return b.String()
}

// Secrets are what to sign with. Without --provider, providers that
// cannot be signed for are left out.
func Secrets(cfg *config.Config, s *cli.Settings, simulators simulate.Sources, flags *Flags, unsigned bool) (simulate.Secrets, error) {
	if unsigned {
		return RandomSecrets(simulators)
	}
	keys := map[string]normalizer.Keys{}
	for _, p := range cfg.Registry {
		keys[p.Name] = cfg.KeysOf(config.Source{Provider: p, Account: flags.Account})
		for _, extra := range simulators.Settings(p.Name) {
			if i := slices.IndexFunc(s.Environ, func(v string) bool { return strings.HasPrefix(v, p.EnvName(extra.Name)+"=") }); i >= 0 {
				_, value, _ := strings.Cut(s.Environ[i], "=")
				keys[p.Name][extra.Name] = []string{value}
			}
		}
	}
	secrets := simulate.FromKeys(keys)
	if len(flags.Providers) > 0 {
		return secrets, nil
	}
	var why []string
	for _, name := range simulators.Names() {
		if err := simulators.Sendable(secrets, name); err != nil {
			why = append(why, err.Error())
			continue
		}
		flags.Providers = append(flags.Providers, name)
	}
	if len(flags.Providers) == 0 {
		return secrets, cli.Usage(fmt.Errorf("no provider can be signed for:\n  %s\n(--unsigned sends to a server in --dev)", strings.Join(why, "\n  ")))
	}
	return secrets, nil
}

// RandomSecrets are secrets for a receiver and the sender to it.
func RandomSecrets(simulators simulate.Sources) (simulate.Secrets, error) {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	return simulators.Generate(rand.NewChaCha8(seed))
}

// Send sends traffic until it ends or ctx does.
func Send(ctx context.Context, o simulate.Options, to simulate.Target) (simulate.Totals, error) {
	traffic, err := simulate.Traffic(o)
	if err != nil {
		return simulate.Totals{}, cli.Usage(err)
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
