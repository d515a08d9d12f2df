package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/notifier/slack"
)

func slackCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("slack", "Set up the Slack app",
		slackManifestCommand(s))
}

func slackManifestCommand(s *cli.Settings) *cobra.Command {
	var public, workspace string
	var socket bool
	c := &cobra.Command{
		Use:   "manifest",
		Short: "Print the manifest of the Slack app",
		Long: "Print the manifest of the Slack app, as JSON for \"Create an app from a manifest\".\n\n" +
			"Clicks arrive at the public address by HTTP, or, without one, over Socket Mode.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := s.Load(c)
			if err != nil {
				return err
			}
			address := cmp.Or(public, cfg.PublicURL)
			if socket {
				address = ""
			}
			w := config.Workspace{Groups: cfg.Slack.Groups}
			if workspace != "" {
				w = cfg.Slack.Workspaces[workspace] // its token is known once the app is there
			}
			manifest, err := slack.Manifest(address, handlers.InteractionsPath(workspace), w.Groups != "")
			if err != nil {
				return cli.Usage(err)
			}
			_, err = c.OutOrStdout().Write(manifest)
			return err
		},
	}
	c.Flags().StringVar(&public, "url", "", "public address of callwatch (default CALLWATCH_PUBLIC_URL)")
	c.Flags().StringVar(&workspace, "workspace", "", "the app of a workspace under slack.workspaces, by its name there")
	c.Flags().BoolVar(&socket, "socket", false, "Socket Mode, whatever the public address")
	return c
}
