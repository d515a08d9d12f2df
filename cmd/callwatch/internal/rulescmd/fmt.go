package rulescmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/rules/rulefmt"
)

func rulesFmtCommand() *cobra.Command {
	var write, check bool
	c := &cobra.Command{
		Use:   "fmt FILE|FOLDER|-...",
		Short: "Put the keys of rules files into their usual order",
		Long: "Put the keys of rules files into their usual order and print the result, or write it back with --write. Comments\n" +
			"move with the key they are above; rules keep their order, and values stay as they were written.\n" +
			"Exit 1 when a file is no YAML, or with --check when a file is not in order.",
		Args: cobra.MinimumNArgs(1),
	}
	c.Flags().BoolVarP(&write, "write", "w", false, "write the result to the file")
	c.Flags().BoolVar(&check, "check", false, "only name the files that are not in order")
	c.MarkFlagsMutuallyExclusive("write", "check")
	c.RunE = func(c *cobra.Command, args []string) error {
		var files []string
		for _, arg := range args {
			of, err := rulefmt.Files(arg)
			if err != nil {
				return cli.Usage(err)
			}
			files = append(files, of...)
		}
		worst := cli.ExitFine
		for _, file := range files {
			src, err := cli.ReadInput(c.InOrStdin(), file)
			if err != nil {
				return cli.Usage(err)
			}
			out, found := rulefmt.Format(file, src)
			switch {
			case found.Errors():
				worst = cli.ExitProblems
				fmt.Fprintln(c.ErrOrStderr(), found.Error())
			case check:
				if !bytes.Equal(src, out) {
					worst = cli.ExitProblems
					fmt.Fprintln(c.OutOrStdout(), file)
				}
			case write && file != "-":
				if err := rewrite(file, src, out); err != nil {
					return err
				}
			default:
				fmt.Fprintf(c.OutOrStdout(), "%s", out)
			}
		}
		if worst != cli.ExitFine {
			return cli.Silent(worst)
		}
		return nil
	}
	return c
}

// rewrite replaces a file in one step, so that one who reloads it never reads a
// half.
func rewrite(file string, before, after []byte) error {
	if bytes.Equal(before, after) {
		return nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("format %s: %w", file, err)
	}
	next := file + ".new"
	err = os.WriteFile(next, after, info.Mode().Perm())
	if err == nil {
		err = os.Rename(next, file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("format %s: %w", file, err), os.Remove(next))
	}
	return nil
}
