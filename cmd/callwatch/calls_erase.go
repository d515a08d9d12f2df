package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"callwatch/pipeline/maintenance"

	"github.com/spf13/cobra"
)

func callEraseCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "erase PROVIDER CALL", Short: "Erase what is stored about a call", Args: cobra.ExactArgs(2),
		Long: "Erase the stored bodies of a call, its events and dead letters, and what the rules know of it: the bytes on the disk\n" +
			"are overwritten. What remains is said. " + deskHelp,
	}
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var done maintenance.Erased
		bar := newProgress(c.ErrOrStderr())
		if err := d.do(c.Context(), "erase", url.Values{"provider": args[:1], "call": args[1:]}, nil, &done, bar); err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, done, func(w io.Writer) error {
			if done.Bodies+done.Events+done.DeadLetters == 0 && !done.State {
				fmt.Fprintf(w, "nothing is stored about %s of %s\n", printableText(done.CallID), printableText(done.Provider))
			} else {
				fmt.Fprintf(w, "erased of %s of %s: %s\n", printableText(done.CallID), printableText(done.Provider), strings.Join(erasedParts(&done), ", "))
			}
			for _, line := range done.Remains {
				fmt.Fprintln(w, "remains: "+printableText(line))
			}
			return nil
		})
	}
	return c
}

func erasedParts(e *maintenance.Erased) []string {
	parts := []string{plural(e.Bodies, "raw record"), plural(e.Events, "event"), plural(e.DeadLetters, "dead letter")}
	if e.State {
		parts = append(parts, "the state of the rules")
	}
	return parts
}
