package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"callwatch/rules"
)

func rulesCommand(s *settings) *cobra.Command {
	return commandGroup("rules", "Check, test, explain and suggest rules",
		rulesCheckCommand(s), rulesTestCommand(s), rulesExplainCommand(s), rulesSchemaCommand(), rulesFmtCommand(), rulesListCommand(s), rulesReloadCommand(s), rulesSuggestCommand(s))
}

func rulesCheckCommand(s *settings) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Report everything that is wrong with rules files, in one run",
		Long: "Report everything that is wrong with rules files: file, line, column, the line itself and a caret.\n" +
			"Without a file the configured one is checked. Exit 1 on errors, 3 on warnings with --strict.",
	}
	c.Flags().BoolVar(&strict, "strict", false, "exit 3 when there are warnings")
	o := addOutput(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		if len(files) == 0 {
			cfg, err := s.load(c)
			if err != nil {
				return err
			}
			files = []string{cfg.Rules}
		}
		all := rules.Problems{}
		count := 0
		for _, file := range files {
			set, found, err := rules.LoadFile(file)
			if err != nil {
				return usage(err)
			}
			all = append(all, found...)
			if set != nil {
				count += len(set.Rules)
				all = append(all, set.Expired(time.Now())...)
			}
		}
		if err := printProblems(c, *o, all); err != nil {
			return err
		}
		switch {
		case all.Errors():
			return silent(exitProblems)
		case strict && len(all) > 0:
			return silent(exitWarnings)
		}
		if *o == human {
			verb := "are"
			if count == 1 {
				verb = "is"
			}
			fmt.Fprintln(c.OutOrStdout(), plural(count, "rule"), verb, "fine")
		}
		return nil
	}
	return c
}

func printProblems(c *cobra.Command, o output, all rules.Problems) error {
	return printAll(c.OutOrStdout(), o, all, func(w io.Writer) error {
		for _, p := range all {
			fmt.Fprintln(w, p)
		}
		return nil
	})
}
