package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
)

func healthcheckCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running callwatch whether it can take webhooks",
		Long:  "Ask a running callwatch whether it can take webhooks: exit 0 when it is ready, 1 when not, 4 when it does not answer.",
		Args:  cobra.NoArgs,
	}
	cli.AddURL(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		r, _, err := s.Server(c, &cfg)
		if err != nil {
			return err
		}
		client := &http.Client{Timeout: 5 * time.Second, Transport: r.Transport}
		req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, r.URL+"/readyz", nil)
		if err != nil {
			return cli.Usage(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return r.Unreachable(err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return cli.Problems(fmt.Errorf("%s is not ready: status %d", r.URL, res.StatusCode))
		}
		fmt.Fprintln(c.OutOrStdout(), "ready")
		return nil
	}
	return c
}
