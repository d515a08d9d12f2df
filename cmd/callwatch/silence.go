package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/rules"
)

func silenceCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("silence", "Keep incidents of a running callwatch from being announced for a time",
		silenceAddCommand(s), silenceListCommand(s), silenceExpireCommand(s))
}

func silenceAddCommand(s *cli.Settings) *cobra.Command {
	var incident, length, until, comment, by string
	c := &cobra.Command{
		Use:   "add [MATCH]",
		Short: "Silence the incidents that match, or one incident",
		Long: "Silence the incidents that match a condition on rule, severity, owner, incident and the fields of the call that\n" +
			"opened them; or, with --incident, one incident and those that open for its rule and key later.\n" +
			"Silenced incidents are judged and recorded all the same, and their end is announced.",
		Example: "  callwatch silence add 'rule == \"bad-call\" && direction == \"inbound\"' --for 4h --comment 'planned maintenance'\n" +
			"  callwatch silence add --incident inc_0123456789abcdef --for 1h",
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&incident, "incident", "", "id of an open incident, in place of a condition")
	f.StringVar(&length, "for", "", "how long: 30m, 4h, 1d")
	f.StringVar(&until, "until", "", "or until when: 2026-12-01T06:00:00Z")
	f.StringVar(&comment, "comment", "", "why")
	f.StringVar(&by, "by", "", "who does it (default: the user of this machine)")
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, args []string) error {
		request := map[string]string{"by": cmp.Or(by, s.Person()), "comment": comment}
		if len(args) == 1 {
			request["match"] = args[0]
		}
		for name, value := range map[string]string{"incident": incident, "for": length, "until": until} {
			if value != "" {
				request[name] = value
			}
		}
		switch {
		case (len(args) == 1) == (incident != ""):
			return cli.Usage(errors.New("give either a condition or --incident"))
		case (length == "") == (until == ""):
			return cli.Usage(errors.New("give either --for or --until"))
		}
		var made rules.Silence
		if err := r.Ask(c.Context(), http.MethodPost, "/silences", request, &made); err != nil {
			return err
		}
		return cli.PrintOne(c.OutOrStdout(), *o, made, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s until %s: %s\n", made.ID, cli.LocalTime(made.Until), cli.PrintableText(made.Match))
			return err
		})
	})
}

func silenceListCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{Use: "ls", Short: "List the silences in force, the next to end first", Args: cobra.NoArgs}
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, _ []string) error {
		var answer struct{ Silences []rules.Silence }
		if err := r.Ask(c.Context(), http.MethodGet, "/silences", nil, &answer); err != nil {
			return err
		}
		return cli.PrintAll(c.OutOrStdout(), *o, answer.Silences, func(w io.Writer) error { return silenceTable(w, answer.Silences) })
	})
}

func silenceTable(w io.Writer, list []rules.Silence) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no silences")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tUNTIL\tBY\tMATCH\tCOMMENT")
	for i := range list {
		q := &list[i]
		by := q.By
		if q.InFile() {
			by = "rules file"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", q.ID, cli.LocalTime(q.Until), cli.PrintableText(by), cli.PrintableText(q.Match), cli.PrintableText(q.Comment))
	}
	return t.Flush()
}

func silenceExpireCommand(s *cli.Settings) *cobra.Command {
	var by string
	c := &cobra.Command{Use: "expire ID...", Short: "End silences early", Args: cobra.MinimumNArgs(1)}
	c.Flags().StringVar(&by, "by", "", "who does it (default: the user of this machine)")
	o := cli.AddOutput(c)
	type ending struct {
		ID    string `json:"id"`
		Ended bool   `json:"ended"`
	}
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, args []string) error {
		var errs []error
		done := []ending{}
		for _, id := range args {
			path := "/silences/" + url.PathEscape(id) + "?by=" + url.QueryEscape(cmp.Or(by, s.Person()))
			if err := r.Ask(c.Context(), http.MethodDelete, path, nil, nil); err != nil {
				errs = append(errs, err)
				continue
			}
			done = append(done, ending{id, true})
		}
		errs = append(errs, cli.PrintAll(c.OutOrStdout(), *o, done, func(w io.Writer) error {
			for _, d := range done {
				fmt.Fprintf(w, "%s has ended\n", d.ID)
			}
			return nil
		}))
		return errors.Join(errs...)
	})
}
