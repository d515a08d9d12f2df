// Command callwatch watches voice calls: it receives the providers' webhooks,
// judges each call by rules.yaml and keeps one Slack thread per incident.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/completion"
	"callwatch/cmd/callwatch/internal/doctor"
	"callwatch/cmd/callwatch/internal/examples"
	"callwatch/cmd/callwatch/internal/rulescmd"
	"callwatch/cmd/callwatch/internal/simulatecmd"
	"callwatch/normalizer"
	"callwatch/normalizer/registry"
	"callwatch/normalizer/shipped"
	"callwatch/normalizer/simulate"
)

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
		os.Exit(cli.ExitRuntime)
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
	case named("rules", "providers", "config", "version", "man", "doctor", "healthcheck"):
		return 100 * time.Millisecond
	default:
		return time.Second
	}
}

// run is the program as a function: arguments and environment in, exit code out.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.Run(ctx, rootCommand(environ), args, stdin, stdout, stderr)
}

func rootCommand(environ []string) *cobra.Command {
	settings := &cli.Settings{Environ: environ, Providers: knownProviders(), Simulators: knownSimulators()}
	root := cli.Root(settings, buildVersion().line())
	root.AddCommand(
		serveCommand(settings), demoCommand(settings), simulatecmd.Command(settings),
		rulescmd.Command(settings), rulescmd.BacktestCommand(settings), eventsCommand(settings), notifyCommand(settings), slackCommand(settings),
		incidentsCommand(settings), silenceCommand(settings), providersCommand(settings),
		importCommand(settings), replayCommand(settings), deadlettersCommand(settings), callsCommand(settings), statsCommand(settings), storeCommand(settings),
		configCommand(settings), doctor.Command(settings, storeSize), healthcheckCommand(settings), versionCommand(), manCommand(),
	)
	cli.CheckBuiltin(root)
	cli.UsageErrors(root)
	completion.Add(root, settings)
	examples.Add(root, settings.Providers.Names()[0])
	return root
}

// knownProviders are those written in Go and the declarations that come with callwatch.
func knownProviders() normalizer.Registry {
	return slices.Concat(registry.Providers(), shipped.Providers())
}

// knownSimulators make the traffic of knownProviders.
func knownSimulators() simulate.Sources {
	return slices.Concat(registry.Simulators(), shipped.Simulators())
}
