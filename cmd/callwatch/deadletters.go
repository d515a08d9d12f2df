package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"callwatch/handlers/backend"
	"callwatch/pipeline/maintenance"
)

func deadlettersCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "deadletters", Short: "List, show and replay bodies that could not be normalized", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(lettersListCommand(s), letterShowCommand(s), lettersReplayCommand(s))
	return c
}

func lettersListCommand(s *settings) *cobra.Command {
	var limit int
	c := &cobra.Command{Use: "ls", Short: "List dead letters, newest first", Long: "List dead letters, newest first. " + deskHelp, Args: cobra.NoArgs}
	c.Flags().IntVarP(&limit, "limit", "n", 100, "how many")
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var list []backend.DeadLetter
		if err := d.do(c.Context(), "deadletters", url.Values{"limit": {strconv.Itoa(limit)}}, nil, &list, nil); err != nil {
			return err
		}
		return printAll(c.OutOrStdout(), *o, list, func(w io.Writer) error { return letterTable(w, list) })
	}
	return c
}

func letterTable(w io.Writer, list []backend.DeadLetter) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no dead letters")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPROVIDER\tTIME\tREASON")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.200s\n", d.RawID, printableText(d.Provider), localTime(d.Time), printableText(d.Error))
	}
	return t.Flush()
}

func letterShowCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with its body", Args: cobra.ExactArgs(1),
		Long: "Show a dead letter with its body, up to 256 KB of it. " + deskHelp,
	}
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var page maintenance.DeadLetterPage
		if err := d.do(c.Context(), "deadletter", url.Values{"id": args}, nil, &page, nil); err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, page, func(w io.Writer) error {
			fmt.Fprintf(w, "dead letter %s, %s, %s, %s\n", page.RawID, printableText(page.Provider), printableText(page.Source), localTime(page.Time))
			fmt.Fprintln(w, printableText(page.Error))
			fmt.Fprintf(w, "%s, %s\n\n", printableText(page.ContentType), plural(page.Size, "byte"))
			_, err := fmt.Fprintln(w, printableLines(page.Body))
			return err
		})
	}
	return c
}

func lettersReplayCommand(s *settings) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "replay [ID...|--all]", Short: "Normalize dead letters again",
		Long: "Normalize dead letters again, after the normalizer was mended. What becomes events is judged as if it came now;\n" +
			"events that were seen before change nothing. What still cannot be normalized stays, with the present reason, and\n" +
			"ends the command with exit 1. " + deskHelp,
	}
	c.Flags().BoolVar(&all, "all", false, "every dead letter")
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		if all == (len(args) > 0) {
			return usage(errors.New("give either the ids of dead letters or --all"))
		}
		d, err := open(c)
		if err != nil {
			return err
		}
		var done backend.Replayed
		if err := d.do(c.Context(), "deadletters-replay", url.Values{"id": args}, nil, &done, nil); err != nil {
			return err
		}
		err = printOne(c.OutOrStdout(), *o, done, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s replayed: %d mended, %d failed again\n", plural(done.Tried, "dead letter"), done.Mended, done.Failed)
			return err
		})
		if err == nil && done.Failed > 0 {
			return silent(exitProblems)
		}
		return err
	}
	return c
}
