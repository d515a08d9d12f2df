package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"callwatch/yamlfile/spelling"
)

// CommandGroup is a command that only has others below it.
func CommandGroup(use, short string, of ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: NoSuchCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(of...)
	return c
}

// NoSuchCommand refuses arguments of a command that only has others below it.
func NoSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := ""
	if near := spelling.Nearest(args[0], names); near != "" {
		hint = "; did you mean " + c.CommandPath() + " " + near + "?"
	}
	return fmt.Errorf("%s has no command %q%s", c.CommandPath(), args[0], hint)
}

// CheckBuiltin has the commands that cobra adds, help and completion, refuse names that
// are none, as the others do.
func CheckBuiltin(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args, c.RunE = NoSuchCommand, func(c *cobra.Command, _ []string) error { return c.Help() }
		case "help":
			c.Args = func(_ *cobra.Command, names []string) error {
				of, rest, err := root.Find(names)
				if err != nil {
					return err
				}
				return NoSuchCommand(of, rest)
			}
		}
	}
}

// MeantFlag is a hint for a flag that a command does not have; "" for none.
func MeantFlag(c *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	var names []string
	all := func(f *pflag.Flag) { names = append(names, f.Name) }
	c.Flags().VisitAll(all)
	c.InheritedFlags().VisitAll(all)
	if near := spelling.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return "; did you mean --" + near + "?"
	}
	return ""
}

// UsageErrors gives every refusal of arguments and of flags together the exit code of wrong usage, and says
// where help is.
func UsageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := cmp.Or(check(c, args), c.ValidateFlagGroups()); err != nil {
				if !c.HasAvailableSubCommands() {
					err = fmt.Errorf("%w: %s", err, c.UseLine())
				}
				return Usage(fmt.Errorf("%w; see %s --help", err, c.CommandPath()))
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		UsageErrors(sub)
	}
}

// AccountHelp is the help of flags that name an account.
const AccountHelp = "account of the provider, where the settings name several"
