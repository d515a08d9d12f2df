package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/notifier"
)

func notifyCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("notify", "Try where alerts go",
		notifyTestCommand(s))
}

func notifyTestCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "test [CHANNEL|OUTPUT]",
		Short: "Send a message marked as a test",
		Long: "Send a message marked as a test: to the configured channel, to the one given (#name or id), or to an output by\n" +
			"its name in callwatch.yaml.",
		Args: cobra.MaximumNArgs(1),
	}
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		channel := cfg.Slack.Channel
		if len(args) == 1 {
			channel = args[0]
		}
		ctx, stop := context.WithTimeout(c.Context(), 20*time.Second)
		defer stop()
		// A notifier for one message keeps no record of what it sent.
		n := notifier.New(cfg.Notifier(), nil, time.Now, slog.New(slog.DiscardHandler))
		link, err := n.Test(ctx, channel)
		to := cmp.Or(channel, "the incoming webhook")
		switch {
		case errors.Is(err, notifier.ErrNotConfigured):
			return cli.Usage(errors.New("CALLWATCH_SLACK_TOKEN is not set"))
		case err != nil:
			return cli.Problems(fmt.Errorf("post to %s: %w", to, err))
		}
		posted := struct {
			To   string `json:"to"`
			Link string `json:"link,omitempty"`
		}{to, link}
		return cli.PrintOne(c.OutOrStdout(), *o, posted, func(w io.Writer) error {
			if link != "" {
				link = ": " + link
			}
			fmt.Fprintf(w, "posted to %s%s\n", to, link)
			return nil
		})
	}
	return c
}
