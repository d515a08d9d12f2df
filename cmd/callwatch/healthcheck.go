package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand(s *settings) *cobra.Command {
	var target string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running callwatch whether it can take webhooks",
		Long:  "Ask a running callwatch whether it can take webhooks: exit 0 when it is ready, 1 when not, 4 when it does not answer.",
		Args:  cobra.NoArgs,
	}
	c.Flags().StringVar(&target, "url", "", "address of callwatch (default: where this configuration listens)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if target == "" {
			cfg, err := s.load(c)
			if err != nil {
				return err
			}
			target = listening(cfg.Listen)
		}
		client := &http.Client{Timeout: 5 * time.Second}
		req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, target+"/readyz", nil)
		if err != nil {
			return usage(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("ask %s: %w", target, err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return problems(fmt.Errorf("%s is not ready: status %d", target, res.StatusCode))
		}
		fmt.Fprintln(c.OutOrStdout(), "ready")
		return nil
	}
	return c
}
