// Command callwatch watches voice calls: it receives the providers' webhooks,
// judges each call by rules.yaml and keeps one Slack thread per incident.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"callwatch/normalizer/registry"
)

// Exit codes.
const (
	exitFine     = 0
	exitProblems = 1 // problems found
	exitUsage    = 2
	exitWarnings = 3 // warnings under --strict
	exitRuntime  = 4 // could not reach the server, or failed while running
)

// exitError carries the exit code of an error. Its text may be empty: then what
// there was to say has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error    { return &exitError{exitUsage, err} }
func problems(err error) error { return &exitError{exitProblems, err} }

// silent ends the program with a code and nothing more to say.
func silent(code int) error { return &exitError{code: code} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	done := make(chan int, 1)
	go func() { done <- run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr) }()
	select {
	case code := <-done:
		os.Exit(code)
	case <-ctx.Done():
	}
	stop() // a second signal ends the program at once
	var late <-chan time.Time
	if wait := closingTime(os.Args[1:]); wait > 0 {
		late = time.After(wait)
	}
	select {
	case code := <-done:
		os.Exit(code)
	case <-late:
		os.Exit(exitRuntime)
	}
}

// closingTime is how long a command may take to end after a signal; 0 for no
// limit. Commands that write nothing have nothing to finish.
func closingTime(args []string) time.Duration {
	named := func(commands ...string) bool {
		return slices.ContainsFunc(commands, func(c string) bool { return slices.Contains(args, c) })
	}
	switch {
	case named("serve", "demo"):
		return 0
	case named("import", "replay", "calls", "deadletters", "store"):
		return 10 * time.Second
	case named("rules", "config", "version", "man", "doctor", "healthcheck"):
		return 100 * time.Millisecond
	default:
		return time.Second
	}
}

// run is the program as a function: arguments and environment in, exit code out.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, errs := &terminalWriter{to: stdout}, &terminalWriter{to: stderr}
	defer func() {
		_ = out.Close()
		_ = errs.Close()
	}()
	stderr = errs
	root := rootCommand(environ)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	var coded *exitError
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &coded):
		if text := coded.Error(); text != "" {
			fmt.Fprintln(stderr, "callwatch: "+text)
		}
		return coded.code
	default:
		fmt.Fprintln(stderr, "callwatch: "+err.Error())
		return exitRuntime
	}
}

func rootCommand(environ []string) *cobra.Command {
	settings := &settings{environ: environ, providers: registry.Providers(), simulators: registry.Simulators()}
	root := &cobra.Command{
		Use:           "callwatch",
		Short:         "Alerting for voice calls: webhooks in, one live Slack thread per incident",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see callwatch %s --help", err, c.Name()))
	})
	settings.addFlags(root)
	root.AddCommand(
		serveCommand(settings), demoCommand(settings), simulateCommand(settings),
		rulesCommand(settings), backtestCommand(settings), eventsCommand(settings), notifyCommand(settings), slackCommand(settings),
		incidentsCommand(settings), silenceCommand(settings),
		importCommand(settings), replayCommand(settings), deadlettersCommand(settings), callsCommand(settings), statsCommand(settings), storeCommand(settings),
		configCommand(settings), doctorCommand(settings), healthcheckCommand(settings), versionCommand(), manCommand(),
	)
	usageErrors(root)
	return root
}

// commandGroup is a command that only has others below it.
func commandGroup(use, short string, of ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(of...)
	return c
}

// usageErrors gives every refusal of arguments the exit code of wrong usage.
func usageErrors(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageErrors(sub)
	}
}
