package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/cmd/callwatch/internal/simulatecmd"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/simulate"
	"callwatch/rules"
)

func demoCommand(s *cli.Settings) *cobra.Command {
	var flags simulatecmd.Flags
	var length time.Duration
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show callwatch at work: simulated calls of all providers, incidents, Slack threads",
		Long: "Show callwatch at work: simulated, signed webhooks of all providers are verified, stored, normalized, judged by\n" +
			"the shipped rules and announced to a fake Slack. It needs no account and no network, and leaves nothing behind.\n\n" +
			"Without flags that choose the traffic it tells a story of three minutes: after an hour of healthy history one region\n" +
			"of a provider degrades, an incident opens, takes in the single ones, escalates, is acknowledged and resolves. For\n" +
			"this, the times of the shipped rules are 30 times shorter. The same seed gives the same story.",
		Args: cobra.NoArgs,
	}
	flags.Add(c, s.Simulators)
	c.Flags().DurationVar(&length, "for", 0, "end by itself after this time (default: when interrupted)")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address of the page; a port that is taken is replaced by a free one")
	c.RunE = func(c *cobra.Command, _ []string) error {
		address, err := loopback(listen)
		if err != nil {
			return cli.Usage(err)
		}
		story := tellsStory(func(name string) bool { f := c.Flag(name); return f != nil && f.Changed })
		return runDemo(c, s, flags, address, length, story)
	}
	return c
}

// runDemo runs callwatch with generated secrets on a store of its own, and sends
// traffic to it until the command is ended, or for a time unless that is 0.
func runDemo(c *cobra.Command, s *cli.Settings, flags simulatecmd.Flags, address string, length time.Duration, story bool) (err error) {
	ctx := c.Context()
	dir, remove, err := tempDir()
	if err != nil {
		return err
	}
	defer remove()
	secrets, err := simulatecmd.RandomSecrets(s.Simulators)
	if err != nil {
		return err
	}
	cfg := demoConfig(s.Providers, dir, address, secrets)
	switch f := c.Flag("rules"); {
	case f != nil && f.Changed:
		cfg.Rules = s.Flags.Rules
	case story:
		cfg.Rules = filepath.Join(dir, "demo-rules.yaml")
		if err := os.WriteFile(cfg.Rules, storyRules(), 0o600); err != nil {
			return fmt.Errorf("write the rules of the demo: %w", err)
		}
	}
	apis, err := useFakeAPIs(&cfg, registry.All())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(apis)) }()
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := newApp(ctx, cfg, demoMode, log)
	if errors.Is(err, syscall.EADDRINUSE) {
		cfg.Listen = "127.0.0.1:0"
		a, err = newApp(ctx, cfg, demoMode, log)
	}
	if err != nil {
		return err
	}
	if length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, length)
		defer stop()
	}
	a.answer() // the console shows how the history grows
	out := c.OutOrStdout()
	base := "http://" + a.server.Addr().String()
	fmt.Fprintf(out, "callwatch demo: simulated calls of %d providers, judged by %d rules\nconsole: %s/\n", len(s.Simulators.Names()), a.rules.Status().Rules, base)

	if story && flags.Seed == 0 {
		flags.Seed = storySeed
	}
	options, err := flags.Options(s.Simulators, secrets, time.Now())
	if err != nil {
		return err
	}
	if story {
		options = storyOptions(options)
		if err := a.addHistory(ctx, s.Providers, options); err != nil && ctx.Err() == nil {
			return err
		}
		options.Start = time.Now()
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() {
		_, err := simulatecmd.Send(ctx, options, simulate.Target{URL: base})
		if ctx.Err() != nil {
			err = nil
		}
		ended <- err
	}()
	fetched := make(chan error, 1)
	go func() { fetched <- endCalls(ctx, apis, base) }()
	told := make(chan struct{})
	go func() {
		defer close(told)
		if story {
			n := narrator{app: a, out: out, of: len(s.Simulators.Names()), base: base, begun: options.Start}
			n.tell(ctx, options.Episodes)
			return
		}
		a.tellIncidents(ctx, out)
	}()
	err = a.run(ctx)
	end()
	<-told
	fmt.Fprintln(out, a.summary())
	return errors.Join(err, <-ended, <-fetched)
}

// demoConfig takes nothing from the environment, so that a demo shows the same
// wherever it is run.
func demoConfig(providers normalizer.Registry, dir, address string, secrets simulate.Secrets) config.Config {
	cfg := config.Default(providers)
	cfg.DataDir, cfg.Listen = dir, address
	cfg.Providers = map[string]map[string]config.Secret{}
	for provider, keys := range secrets.Receive {
		for setting, values := range keys {
			cfg.SetProvider(provider, setting, config.Secret(strings.Join(values, ",")))
		}
	}
	return cfg
}

// tellIncidents prints each incident once, as it opens.
func (a *app) tellIncidents(ctx context.Context, out io.Writer) {
	told := map[string]bool{}
	for {
		changed := a.preview.Changed()
		for _, in := range slices.Backward(a.preview.Snapshot().Incidents) { // oldest first
			if !told[in.ID] && in.State == rules.Firing {
				told[in.ID] = true
				fmt.Fprintf(out, "%s  %-8s  %-16s  %s\n", in.OpenedAt.Local().Format(time.TimeOnly), in.Severity, in.Rule, in.Summary)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// summary is what a run came to, in one line.
func (a *app) summary() string {
	c := a.preview.Snapshot().Counts
	return fmt.Sprintf("%d webhooks, %d events, %d incidents, %d Slack messages", c.Webhooks, c.Events, c.Incidents, c.Messages)
}
