package main

import (
	"fmt"
	"io"
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
	o := cli.AddOutput(c)
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
		answer := struct {
			Ready  bool `json:"ready"`
			Status int  `json:"status"`
		}{res.StatusCode == http.StatusOK, res.StatusCode}
		err = cli.PrintOne(c.OutOrStdout(), *o, answer, func(w io.Writer) error {
			if answer.Ready {
				fmt.Fprintln(w, "ready")
			}
			return nil
		})
		if err == nil && !answer.Ready {
			err = cli.Problems(fmt.Errorf("%s is not ready: status %d", r.URL, res.StatusCode))
		}
		return err
	}
	return c
}
