package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/yamlfile"
)

func configCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("config", "Check and describe callwatch.yaml",
		configCheckCommand(s),
		cli.SchemaCommand("callwatch.yaml", "callwatch.schema.json", func() ([]byte, error) { return config.Schema(s.Providers) }, "callwatch config check reports what is wrong with a file, callwatch doctor whether it works."))
}

func configCheckCommand(s *cli.Settings) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Report everything that is wrong with callwatch.yaml and the environment, in one run",
		Long: "Report everything that is wrong with callwatch.yaml and the CALLWATCH_ variables of the environment: file, line,\n" +
			"column, the line itself without its secrets, and a caret. Nothing is started and nobody is asked; callwatch doctor\n" +
			"does that. Exit 1 on errors, 3 on warnings with --strict.",
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().BoolVar(&strict, "strict", false, "exit 3 when there are warnings")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		if len(files) > 0 {
			s.File = files[0]
		}
		cfg, err := s.Load(c)
		var all config.Faults
		switch {
		case err == nil:
			all = cfg.ServingFaults()
		case !errors.As(err, &all):
			return err
		}
		errorCount := len(all)
		for _, text := range config.UnknownVariables(s.Environ, config.Variables(cfg.Registry, s.Simulators.Settings)) {
			all = append(all, config.Fault{Setting: "environment", Severity: yamlfile.WarningSeverity, Message: text})
		}
		err = cli.PrintAll(c.OutOrStdout(), *o, all, func(w io.Writer) error {
			for _, f := range all {
				fmt.Fprintln(w, f)
			}
			return nil
		})
		switch {
		case err != nil:
			return err
		case errorCount > 0:
			return cli.Silent(cli.ExitProblems)
		case strict && len(all) > 0:
			return cli.Silent(cli.ExitWarnings)
		}
		if *o == cli.Human {
			fmt.Fprintln(c.OutOrStdout(), "the configuration is fine")
		}
		return nil
	}
	return c
}
