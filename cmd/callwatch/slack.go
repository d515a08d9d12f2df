package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"callwatch/notifier/slack"
)

func slackCommand(s *settings) *cobra.Command {
	return commandGroup("slack", "Set up the Slack app",
		slackManifestCommand(s))
}

func slackManifestCommand(s *settings) *cobra.Command {
	var public string
	var socket bool
	c := &cobra.Command{
		Use:   "manifest",
		Short: "Print the manifest of the Slack app",
		Long: "Print the manifest of the Slack app, as JSON for \"Create an app from a manifest\".\n\n" +
			"Clicks arrive at the public address by HTTP, or, without one, over Socket Mode.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := s.load(c)
			if err != nil {
				return err
			}
			address := cmp.Or(public, cfg.PublicURL)
			if socket {
				address = ""
			}
			manifest, err := slack.Manifest(address, cfg.Slack.Groups != "")
			if err != nil {
				return usage(err)
			}
			_, err = c.OutOrStdout().Write(manifest)
			return err
		},
	}
	c.Flags().StringVar(&public, "url", "", "public address of callwatch (default CALLWATCH_PUBLIC_URL)")
	c.Flags().BoolVar(&socket, "socket", false, "Socket Mode, whatever the public address")
	return c
}
