package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

func incidentsCommand(s *cli.Settings) *cobra.Command {
	return cli.CommandGroup("incidents", "List, show, acknowledge, assign, note and resolve incidents of a running callwatch",
		incidentsListCommand(s), incidentsShowCommand(s),
		actionCommand(s, "ack", "Acknowledge incidents: no reminders while somebody has them"),
		actionCommand(s, "unack", "Give acknowledged incidents back"),
		actionCommand(s, "resolve", "Resolve incidents by hand, whatever their condition"),
		assignCommand(s), noteCommand(s))
}

func incidentsListCommand(s *cli.Settings) *cobra.Command {
	var state string
	c := &cobra.Command{
		Use: "ls", Short: "List incidents, newest first", Args: cobra.NoArgs,
		Long: "List incidents, newest first. Of resolved ones the last of every rule and key is listed.",
	}
	c.Flags().StringVar(&state, "state", "open", "open, resolved or all")
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, _ []string) error {
		wanted, ok := map[string]string{"open": "open", "resolved": "resolved", "all": ""}[state]
		if !ok {
			return cli.Usage(fmt.Errorf("--state: %q is none of open, resolved, all", state))
		}
		list, err := listIncidents(c.Context(), r, wanted)
		if err != nil {
			return err
		}
		return cli.PrintAll(c.OutOrStdout(), *o, list, func(w io.Writer) error { return incidentTable(w, list, state) })
	})
}

// listIncidents reads a list part by part.
func listIncidents(ctx context.Context, r *cli.Remote, state string) ([]rules.Incident, error) {
	list, after := []rules.Incident{}, ""
	for {
		var part struct {
			Incidents []rules.Incident `json:"incidents"`
			Next      string           `json:"next"`
		}
		query := url.Values{"state": {state}, "after": {after}}
		if err := r.Ask(ctx, http.MethodGet, "/incidents?"+query.Encode(), nil, &part); err != nil {
			return nil, err
		}
		if list = append(list, part.Incidents...); part.Next == "" {
			return list, nil
		}
		after = part.Next
	}
}

func incidentTable(w io.Writer, list []rules.Incident, state string) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, strings.TrimSpace(strings.TrimPrefix("no "+state, "no all")+" incidents"))
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tRULE\t"+cli.Styled(w, cli.Normal, "SEVERITY")+"\tSTATE\tOPENED\tCALLS\tOWNER\tACKNOWLEDGED\tASSIGNED\tSUMMARY")
	for i := range list {
		in := &list[i]
		by, to := "", ""
		if in.Acknowledged != nil {
			by = in.Acknowledged.By
		}
		if in.Assigned != nil {
			to = in.Assigned.To
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", in.ID, in.Rule, cli.Severity(w, in.Severity), standing(in), cli.LocalTime(in.OpenedAt), in.Counts.Matched,
			cmp.Or(cli.PrintableText(in.Owner), "-"), cmp.Or(cli.PrintableText(by), "-"), cmp.Or(cli.PrintableText(to), "-"), cli.PrintableText(in.Summary))
	}
	return t.Flush()
}

// standing is an incident's state with its marks, in one word.
func standing(in *rules.Incident) string {
	switch {
	case in.State == rules.Resolved:
		return string(in.State)
	case in.Silence != nil:
		return "silenced"
	case in.Acknowledged != nil:
		return "acknowledged"
	case in.Mode == rules.Shadow:
		return "shadow"
	}
	return string(in.State)
}

func incidentsShowCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{Use: "show ID", Short: "Show one incident", Args: cobra.ExactArgs(1)}
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, args []string) error {
		var in shownIncident
		if err := r.Ask(c.Context(), http.MethodGet, "/incidents/"+url.PathEscape(args[0]), nil, &in); err != nil {
			return err
		}
		return cli.PrintOne(c.OutOrStdout(), *o, in, func(w io.Writer) error { return incidentPage(w, &in) })
	})
}

// shownIncident is an incident as the API shows it, with what was not delivered.
type shownIncident struct {
	rules.Incident
	Undelivered []backend.Undelivered `json:"undelivered,omitempty"`
}

func incidentPage(w io.Writer, in *shownIncident) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		if text := cli.PrintableText(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, text)
		}
	}
	row("incident", "%s", in.ID)
	row("summary", "%s", in.Summary)
	row("state", "%s, %s", standing(&in.Incident), in.Severity)
	for _, u := range in.Undelivered {
		row("not delivered", "yet to %s: %s, next try %s", u.Receiver, u.Cause, cli.LocalTime(u.NextTry))
	}
	row("rule", "%s", in.Rule)
	for _, l := range in.By {
		row("  "+l.Name, "%s", cmp.Or(l.Value, "unknown"))
	}
	row("opened", "%s", cli.LocalTime(in.OpenedAt))
	if !in.ResolvedAt.IsZero() {
		row("resolved", "%s, after %s%s", cli.LocalTime(in.ResolvedAt), in.ResolvedAt.Sub(in.OpenedAt).Round(time.Second), byHand(in))
	}
	if v := in.Values; v != nil {
		row("calls", "%d matched of %d measured, %d not measured", in.Counts.Matched, in.Counts.Measured(), in.Counts.Unjudged-in.Counts.Partial)
		row("figure", "%s: now %s, at worst %s, %s when it opened", v.Name, v.LatestText(), v.WorstText(), v.OpeningText())
		row("  coverage", "%s", v.Coverage())
	} else {
		row("calls", "%d matched of %d judged, %d unjudged", in.Counts.Matched, in.Counts.Judged, in.Counts.Unjudged)
	}
	row("because", "%s", strings.Join(in.Worst.Held(), ", "))
	worst := in.Worst.Call.CallID
	if in.Values != nil && len(in.Samples) > 0 { // a window is no call
		worst = in.Samples[0].Call.CallID
	}
	row("worst call", "%s", worst)
	if m := in.Acknowledged; m != nil {
		row("acknowledged", "by %s, %s", m.By, cli.LocalTime(m.At))
	}
	if a := in.Assigned; a != nil {
		row("assigned", "to %s by %s, %s", a.To, a.By, cli.LocalTime(a.At))
	}
	for _, n := range in.Notes {
		row("note", "by %s, %s: %s", n.By, cli.LocalTime(n.At), n.Text)
	}
	if q := in.Silence; q != nil {
		row("silence", "%s until %s: %s", q.ID, cli.LocalTime(q.Until), q.Match)
	}
	row("runbook", "%s", in.Runbook)
	row("owner", "%s", in.Owner)
	row("rule error", "%s", in.RuleError)
	return t.Flush()
}

// byHand names who resolved an incident; "" where nobody did.
func byHand(in *shownIncident) string {
	if in.ResolvedBy == nil {
		return ""
	}
	return ", by " + in.ResolvedBy.By
}

// actionCommand is ack, unack and resolve.
func actionCommand(s *cli.Settings, do, short string) *cobra.Command {
	c := &cobra.Command{Use: do + " ID...", Short: short, Args: cobra.MinimumNArgs(1)}
	return onIncidents(s, c, do, func(args []string) ([]string, map[string]string) { return args, map[string]string{} })
}

func assignCommand(s *cli.Settings) *cobra.Command {
	var to string
	var nobody bool
	c := &cobra.Command{Use: "assign ID...", Short: "Assign incidents to a person", Args: cobra.MinimumNArgs(1)}
	c.Flags().StringVar(&to, "to", "", "the person (default: the user of this machine)")
	c.Flags().BoolVar(&nobody, "nobody", false, "remove the assignment")
	c.MarkFlagsMutuallyExclusive("to", "nobody")
	return onIncidents(s, c, "assign", func(args []string) ([]string, map[string]string) {
		if nobody {
			return args, map[string]string{}
		}
		return args, map[string]string{"to": cmp.Or(to, s.Person())}
	})
}

func noteCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "note ID TEXT...", Short: "Add a note to an incident", Args: cobra.MinimumNArgs(2),
		Long: "Add a note to an incident: one line of at most 500 bytes, which its thread shows. An incident keeps its latest 20.",
	}
	return onIncidents(s, c, "note", func(args []string) ([]string, map[string]string) {
		return args[:1], map[string]string{"text": strings.Join(args[1:], " ")}
	})
}

// onIncidents completes a command that does something to incidents: read takes their ids
// and the request from its arguments.
func onIncidents(s *cli.Settings, c *cobra.Command, do string, read func(args []string) (ids []string, request map[string]string)) *cobra.Command {
	var by string
	c.Flags().StringVar(&by, "by", "", "who does it (default: the user of this machine)")
	o := cli.AddOutput(c)
	return cli.OnRemote(c, s, func(c *cobra.Command, r *cli.Remote, args []string) error {
		var errs []error
		done := []rules.Incident{}
		ids, request := read(args)
		request["by"] = cmp.Or(by, s.Person())
		for _, id := range ids {
			var in rules.Incident
			if err := r.Ask(c.Context(), http.MethodPost, "/incidents/"+url.PathEscape(id)+"/"+do, request, &in); err != nil {
				errs = append(errs, err)
				continue
			}
			done = append(done, in)
		}
		err := cli.PrintAll(c.OutOrStdout(), *o, done, func(w io.Writer) error {
			for i := range done {
				fmt.Fprintf(w, "%s is %s: %s\n", done[i].ID, standing(&done[i]), cli.PrintableText(done[i].Summary))
			}
			return nil
		})
		return errors.Join(append(errs, err)...)
	})
}
