package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
)

// Root is the command above all others, with the flags that they have in common.
func Root(s *Settings, version string) *cobra.Command {
	root := &cobra.Command{
		Use:           "callwatch",
		Short:         "Alerting for voice calls: webhooks in, one live Slack thread per incident",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          NoSuchCommand,
		Version:       version,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentPreRun = func(c *cobra.Command, _ []string) {
		for _, w := range []io.Writer{c.OutOrStdout(), c.ErrOrStderr()} {
			if t, ok := w.(*TerminalWriter); ok {
				t.Colour = s.Colour.colours(s.Environ, t.To)
			}
		}
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return Usage(fmt.Errorf("%w%s; see %s --help", err, MeantFlag(c, err), c.CommandPath()))
	})
	s.AddFlags(root)
	return root
}

// Run executes a command and returns the exit code. What it prints cannot do anything
// to a terminal.
func Run(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errs := &TerminalWriter{To: stdout}, &TerminalWriter{To: stderr}
	defer func() {
		_ = out.Close()
		_ = errs.Close()
	}()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	var coded *ExitError
	switch {
	case err == nil:
		return ExitFine
	case errors.As(err, &coded):
		if coded.Error() != "" {
			fmt.Fprintln(errs, "callwatch: "+said(err)+meantFile(err))
		}
		return coded.Code
	default:
		fmt.Fprintln(errs, "callwatch: "+said(err)+meantFile(err))
		return ExitRuntime
	}
}

// said is the text of an error, without the words of the operating system for a file
// that does not exist and of Go for a time.
func said(err error) string {
	s := err.Error()
	var missing *fs.PathError
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing) && missing.Path != "" {
		s = strings.Replace(s, missing.Error(), "there is no file "+missing.Path, 1)
	}
	return strings.Replace(s, "time: invalid duration", "a number with a unit, such as 30s, 10m or 24h, not", 1)
}

// meantFile is a hint for a file that does not exist, or is a folder; "" for none.
func meantFile(err error) string {
	if errors.Is(err, syscall.EISDIR) {
		return "; name a file"
	}
	var missing *fs.PathError
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &missing) {
		return ""
	}
	if near := config.NearFile(missing.Path); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
