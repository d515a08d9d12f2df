package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers/backend"
	"callwatch/pipeline/maintenance"
)

func deadlettersCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("deadletters", "List, show and replay bodies that could not be normalized",
		lettersListCommand(s), letterShowCommand(s), lettersReplayCommand(s))
}

func lettersListCommand(s *cli.Settings) *cobra.Command {
	var limit int
	c := &cobra.Command{Use: "ls", Short: "List dead letters, newest first", Long: "List dead letters, newest first. " + workHelp, Args: cobra.NoArgs}
	c.Flags().IntVarP(&limit, "limit", "n", 100, "how many")
	request := func([]string) (url.Values, error) { return url.Values{"limit": {strconv.Itoa(limit)}}, nil }
	return workCommand(c, s, "deadletters", request, func(w io.Writer, o cli.Output, list *[]backend.DeadLetter) error {
		return cli.PrintAll(w, o, *list, func(w io.Writer) error { return letterTable(w, *list) })
	})
}

func letterTable(w io.Writer, list []backend.DeadLetter) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no dead letters")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPROVIDER\tTIME\tREASON")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.200s\n", d.RawID, cli.PrintableText(d.Provider), cli.LocalTime(d.Time), cli.PrintableText(d.Error))
	}
	return t.Flush()
}

func letterShowCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with its body", Args: cobra.ExactArgs(1),
		Long: "Show a dead letter with its body, up to 256 KB of it. " + workHelp,
	}
	request := func(args []string) (url.Values, error) { return url.Values{"id": args}, nil }
	return workCommand(c, s, "deadletter", request, func(w io.Writer, o cli.Output, page *maintenance.DeadLetterPage) error {
		return cli.PrintOne(w, o, *page, func(w io.Writer) error {
			fmt.Fprintf(w, "dead letter %s, %s, %s, %s\n", page.RawID, cli.PrintableText(page.Provider), cli.PrintableText(page.Source), cli.LocalTime(page.Time))
			fmt.Fprintln(w, cli.PrintableText(page.Error))
			fmt.Fprintf(w, "%s, %s\n\n", cli.PrintableText(page.ContentType), cli.Plural(page.Size, "byte"))
			_, err := fmt.Fprintln(w, cli.PrintableLines(page.Body))
			return err
		})
	})
}

func lettersReplayCommand(s *cli.Settings) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "replay [ID...|--all]", Short: "Normalize dead letters again",
		Long: "Normalize dead letters again, after the normalizer was fixed. What becomes events is judged as if it came now;\n" +
			"events that were seen before change nothing. What still cannot be normalized stays, with the present reason, and\n" +
			"ends the command with exit 1. " + workHelp,
	}
	c.Flags().BoolVar(&all, "all", false, "every dead letter")
	request := func(args []string) (url.Values, error) {
		if all == (len(args) > 0) {
			return nil, cli.Usage(errors.New("give either the ids of dead letters or --all"))
		}
		return url.Values{"id": args}, nil
	}
	return workCommand(c, s, "deadletters-replay", request, func(w io.Writer, o cli.Output, done *backend.Replayed) error {
		err := cli.PrintOne(w, o, *done, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s replayed: %d fixed, %d failed again\n", cli.Plural(done.Tried, "dead letter"), done.Fixed, done.Failed)
			return err
		})
		if err == nil && done.Failed > 0 {
			return cli.Silent(cli.ExitProblems)
		}
		return err
	})
}
