package rulescmd

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers/backend"
	"callwatch/rules"
	"callwatch/rules/engine/lifecycle"
)

func rulesListCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "ls", Short: "Show how the rules of a running callwatch are doing", Args: cobra.NoArgs,
		Long: "Show how the rules of a running callwatch are doing: matches of the last 24 hours, the share of calls that could not\n" +
			"be judged, open incidents, and what to look at: run-time errors, rules that never fired, fields that no event had.",
	}
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, _ []string) error {
		var answer struct {
			File  backend.RulesFile
			Rules []rules.Health
		}
		if err := r.Ask(c.Context(), http.MethodGet, "/rules", nil, &answer); err != nil {
			return err
		}
		if answer.File.Refused() {
			fmt.Fprintln(c.ErrOrStderr(), "callwatch: "+cli.PrintableText(answer.File.Trouble()))
		}
		return cli.PrintAll(c.OutOrStdout(), *o, answer.Rules, func(w io.Writer) error { return ruleTable(w, answer.Rules) })
	})
}

func ruleTable(w io.Writer, list []rules.Health) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tMODE\tSEVERITY\t24H\tMATCHED\tJUDGED\tUNJUDGED\tOPEN\tNOTES")
	for i := range list {
		h := &list[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%.0f %%\t%d\t%s\n", h.Rule, h.Mode, h.Severity,
			h.MatchedDay, h.Counts.Matched, h.Counts.Judged, 100*h.UnjudgedShare, h.Open, cli.PrintableText(ruleNotes(h)))
	}
	return t.Flush()
}

// ruleNotes is what to look at, the worst first.
func ruleNotes(h *rules.Health) string {
	var notes []string
	if h.Disabled {
		notes = append(notes, "disabled")
	}
	if h.Errors > 0 {
		notes = append(notes, fmt.Sprintf("%d errors, the last: %s", h.Errors, h.LastError))
	}
	if len(h.Unreported) > 0 {
		notes = append(notes, "not reported by any provider: "+strings.Join(h.Unreported, ", "))
	}
	if h.Unremembered > 0 {
		notes = append(notes, fmt.Sprintf("cannot tell new values any more: %d calls with a key that has had %d", h.Unremembered, lifecycle.MaxKnown))
	}
	if text := heldBackText(h.HeldBack); text != "" {
		notes = append(notes, "held back "+text)
	}
	if h.NeverFired && h.Mode != rules.Off {
		notes = append(notes, "never fired")
	}
	return strings.Join(notes, "; ")
}

func rulesReloadCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "reload", Short: "Have a running callwatch read its rules file again", Args: cobra.NoArgs,
		Long: "Have a running callwatch read its rules file again. It does so by itself when the file changes. With an error in the\n" +
			"file the rules in force stay, the problems are printed, and the exit code is 1.",
	}
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, _ []string) error {
		var file backend.RulesFile
		if err := r.Ask(c.Context(), http.MethodPost, "/rules/reload", nil, &file); err != nil {
			return err
		}
		return cli.PrintOne(c.OutOrStdout(), *o, file, func(w io.Writer) error {
			state := "in force"
			if file.Pending {
				state = "in force with the next event"
			}
			_, err := fmt.Fprintf(w, "%s: %d rules %s (%s)\n", file.Path, file.Rules, state, file.Digest)
			return err
		})
	})
}
