package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
)

func serveCommand(s *cli.Settings) *cobra.Command {
	var dev, jsonLog bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Take webhooks, judge calls, announce incidents",
		Long: "Take webhooks, judge calls, announce incidents.\n\n" +
			"A provider without a verification secret is off and answers 403. With --dev callwatch listens on loopback only,\n" +
			"takes unsigned webhooks, and shows events, incidents and the messages of a simulated Slack at its address.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&s.Flags.Listen, "listen", "", "address to listen on (default :8080)")
	c.Flags().StringVar(&s.Flags.NATS.Listen, "nats-listen", "", "address on which other programs can subscribe to the embedded NATS")
	c.Flags().DurationVar(&s.Flags.FetchFor, "fetch-for", 0, "stop fetching a call's report after this time (default 10m)")
	c.Flags().DurationVar(&s.Flags.Audit, "audit", 0, "how often to check all stored webhooks for damage; 0: never (default 24h)")
	c.Flags().DurationVar(&s.Flags.Sweep, "sweep", 0, "how often to look for calls whose webhooks were lost; 0: never (default 10m)")
	c.Flags().BoolVar(&dev, "dev", false, "loopback only, unsigned webhooks, simulated Slack, console")
	c.Flags().BoolVar(&jsonLog, "log-json", false, "log as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		if err := cfg.CheckServing(); err != nil {
			return cli.Usage(err)
		}
		if dev {
			if cfg.Listen, err = loopback(cfg.Listen); err != nil {
				return cli.Usage(err)
			}
		}
		log, err := cli.Logger(c.ErrOrStderr(), cfg.LogLevel, jsonLog)
		if err != nil {
			return err
		}
		how := serving
		if dev {
			how = devMode
		}
		a, err := newApp(c.Context(), cfg, how, log)
		if err != nil {
			return err
		}
		log.Info("callwatch takes webhooks", "address", a.server.Addr().String(), "rules", a.rules.Status().Rules, "providers", a.openProviders())
		if dev {
			fmt.Fprintf(c.OutOrStdout(), "console: http://%s/\n", a.server.Addr())
		}
		return a.run(c.Context())
	}
	return c
}

// openProviders are those, and the accounts, with verification configured: the others answer 403.
func (a *app) openProviders() []string {
	var open []string
	for _, of := range a.cfg.Sources() {
		if of.Provider.Verifiable(a.cfg.KeysOf(of)) {
			open = append(open, of.Name())
		}
	}
	return open
}

// loopback is addr on loopback: --dev takes unsigned webhooks, so nobody else may
// reach it.
func loopback(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("%sLISTEN: %w", config.Prefix, err)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("--dev and demo listen on loopback only, not on %s", host)
	}
	return net.JoinHostPort(host, port), nil
}

// tempDir is a directory for the data of a run that leaves nothing behind.
func tempDir() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "callwatch-")
	if err != nil {
		return "", nil, fmt.Errorf("make a data directory: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
