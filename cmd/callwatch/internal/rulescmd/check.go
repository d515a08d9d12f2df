// Package rulescmd holds the commands that begin, check, test, explain, try and list
// rules: callwatch rules and callwatch backtest. It may import the packages of rules,
// what reads stored events, and the helpers of commands; it starts no stage.
package rulescmd

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/cmd/callwatch/internal/firstrules"
	"callwatch/pipeline/rulefile"
	"callwatch/rules"
	"callwatch/rules/rulefmt"
)

// Command is callwatch rules.
func Command(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("rules", "Begin, check, test, explain and suggest rules",
		firstrules.Command(s), rulesCheckCommand(s), rulesTestCommand(s), rulesExplainCommand(s), rulesSchemaCommand(), rulesFmtCommand(), rulesListCommand(s), rulesReloadCommand(s), rulesSuggestCommand(s))
}

func rulesCheckCommand(s *cli.Settings) *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "check [FILE|FOLDER|-]...",
		Short: "Report everything that is wrong with rules files, in one run",
		Long: "Report everything that is wrong with rules files: file, line, column, the line itself and a caret.\n" +
			"A file is checked with the folder rules.d beside it, a folder with all its files; - is standard input.\n" +
			"Without an argument the configured rules are checked. Exit 1 on errors, 3 on warnings with --strict.",
	}
	c.Flags().BoolVar(&strict, "strict", false, "exit 3 when there are warnings")
	o := cli.AddOutput(c)
	c.RunE = func(c *cobra.Command, files []string) error {
		if len(files) == 0 {
			cfg, err := s.Load(c)
			if err != nil {
				return err
			}
			files = []string{cfg.Rules}
		}
		all := rules.Problems{}
		count := 0
		for _, file := range files {
			set, found, err := loadRules(c.InOrStdin(), file)
			if err != nil {
				return cli.Usage(err)
			}
			all = append(all, found...)
			if set != nil {
				count += len(set.Rules)
				all = append(all, set.Expired(time.Now())...)
			}
		}
		if err := cli.PrintProblems(c, *o, all); err != nil {
			return err
		}
		switch {
		case all.Errors():
			return cli.Silent(cli.ExitProblems)
		case strict && len(all) > 0:
			return cli.Silent(cli.ExitWarnings)
		}
		if *o == cli.Human {
			verb := "are"
			if count == 1 {
				verb = "is"
			}
			fmt.Fprintln(c.OutOrStdout(), cli.Plural(count, "rule"), verb, "fine")
		}
		return nil
	}
	return c
}

// loadRules compiles the rules at a path, or those of standard input for "-".
func loadRules(stdin io.Reader, path string) (*rules.Set, rules.Problems, error) {
	if path != "-" {
		return rulefmt.LoadFile(path)
	}
	src, err := cli.ReadInput(stdin, path)
	if err != nil {
		return nil, nil, err
	}
	set, found := rulefmt.Load(path, src)
	return set, found, nil
}

// compiled are the rules at a path, or the shipped ones where a path that nobody chose is
// not there. A path that cannot be read is wrong usage, rules that are wrong are what was
// found.
func compiled(path string) (*rules.Set, error) {
	_, set, _, err := rulefile.Load(path, config.ShippedRules(path))
	var wrong rules.Problems
	switch {
	case errors.As(err, &wrong):
		return nil, cli.Problems(err)
	case err != nil:
		return nil, cli.Usage(err)
	}
	return set, nil
}
