package main

import (
	"fmt"
	"io"
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
	return onDesk(c, s, "erase", callNamed, func(w io.Writer, o output, done *maintenance.Erased) error {
		return printOne(w, o, *done, func(w io.Writer) error {
			if done.Bodies+done.Events+done.DeadLetters == 0 && !done.State {
				fmt.Fprintf(w, "nothing is stored about %s of %s\n", printableText(done.CallID), printableText(done.Provider))
			} else {
				fmt.Fprintf(w, "erased of %s of %s: %s\n", printableText(done.CallID), printableText(done.Provider), strings.Join(erasedParts(done), ", "))
			}
			for _, line := range done.Remains {
				fmt.Fprintln(w, "remains: "+printableText(line))
			}
			return nil
		})
	})
}

func erasedParts(e *maintenance.Erased) []string {
	parts := []string{plural(e.Bodies, "raw record"), plural(e.Events, "event"), plural(e.DeadLetters, "dead letter")}
	if e.State {
		parts = append(parts, "the state of the rules")
	}
	return parts
}
