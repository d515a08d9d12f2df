package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/pipeline/maintenance"
)

func callEraseCommand(s *cli.Settings) *cobra.Command {
	var number, account string
	var yes, dry bool
	c := &cobra.Command{
		Use: "erase PROVIDER CALL | --number NUMBER", Short: "Erase what is stored about a call, or about all calls of a number", Args: cobra.MaximumNArgs(2),
		Long: "Erase the stored bodies of a call, its events, dead letters and pending fetches, what the rules know of it and what\n" +
			"incidents show of it: the bytes on the disk are overwritten, and what comes of the call later is not kept. What remains\n" +
			"is said. A call is found by each of its ids. With --number all calls that name a number, in any spelling, are listed, and\n" +
			"erased with --yes. " + workHelp,
		Example: "  callwatch calls erase PROVIDER leg-4001\n  callwatch calls erase --number '+49 151 12345678'\n  callwatch calls erase --number +4915112345678 --yes",
	}
	c.Flags().StringVar(&number, "number", "", "erase all calls of this number, given with its country code")
	c.Flags().StringVar(&account, "account", "", cli.AccountHelp)
	c.Flags().BoolVar(&yes, "yes", false, "erase the calls of the number instead of listing them")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be erased")
	request := func(args []string) (url.Values, error) {
		if dry && yes {
			return nil, cli.Usage(errors.New("--dry-run and --yes exclude each other"))
		}
		params := url.Values{}
		switch {
		case number != "" && len(args) == 0 && account == "":
			params.Set("number", number)
			dry = !yes
		case number == "" && len(args) == 2:
			params.Set("provider", args[0])
			params.Set("call", args[1])
			params.Set("account", account)
		default:
			return nil, cli.Usage(errors.New("give PROVIDER and CALL, or --number"))
		}
		if dry {
			params.Set("dry-run", "true")
		}
		return params, nil
	}
	return workCommand(c, s, "erase", request, func(w io.Writer, o cli.Output, done *maintenance.Erased) error {
		return cli.PrintOne(w, o, *done, func(w io.Writer) error {
			erasedText(w, done)
			return nil
		})
	})
}

func erasedText(w io.Writer, e *maintenance.Erased) {
	of := cli.PrintableText(e.Number)
	if e.Number == "" {
		of = cli.PrintableText(e.CallID) + " of " + cli.PrintableText(call.Source(e.Provider, e.Account))
	}
	switch {
	case e.None():
		fmt.Fprintf(w, "nothing is stored about %s\n", of)
	case e.DryRun:
		fmt.Fprintf(w, "would erase of %s: %s, %s\n", of, cli.Plural(e.Bodies, "raw record"), cli.Plural(e.Events, "event"))
	default:
		fmt.Fprintf(w, "erased of %s: %s\n", of, strings.Join(erasedParts(e), ", "))
	}
	if e.Number != "" {
		for _, k := range e.Calls {
			fmt.Fprintf(w, "call: %s %s\n", cli.PrintableText(k.Source()), cli.PrintableText(k.CallID))
		}
		if e.DryRun && !e.None() {
			fmt.Fprintln(w, "nothing was erased: add --yes")
		}
	}
	for _, line := range e.Remains {
		fmt.Fprintln(w, "remains: "+cli.PrintableText(line))
	}
}

func erasedParts(e *maintenance.Erased) []string {
	parts := []string{cli.Plural(e.Bodies, "raw record"), cli.Plural(e.Events, "event"), cli.Plural(e.DeadLetters, "dead letter")}
	if e.Fetches > 0 {
		parts = append(parts, cli.Plural(e.Fetches, "pending request"))
	}
	if e.Transitions > 0 {
		parts = append(parts, "the evidence in "+cli.Plural(e.Transitions, "change")+" of incidents")
	}
	if e.State {
		parts = append(parts, "the state of the rules")
	}
	return parts
}
