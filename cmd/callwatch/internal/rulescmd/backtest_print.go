package rulescmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/rules"
	"callwatch/rules/backtest"
)

// shownCalls is how many calls of a list a person is shown.
const shownCalls = 5

func printBacktest(w io.Writer, o cli.Output, r *backtest.Report) error {
	var parts []any
	for i := range r.Rules {
		parts = append(parts, &r.Rules[i])
	}
	totals := *r
	totals.Rules = nil
	parts = append(parts, struct {
		backtest.Report
		Rules any `json:"rules,omitempty"` // one line each, above
	}{totals, nil})
	return cli.PrintReport(w, o, r, parts, func(w io.Writer) error { return backtestTable(w, r) })
}

func backtestTable(w io.Writer, r *backtest.Report) error {
	fmt.Fprintf(w, "%s events of %s calls", cli.Grouped(r.Events), cli.Grouped(r.Calls))
	if !r.From.IsZero() {
		fmt.Fprintf(w, ", %s to %s", cli.Clock(r.From), cli.Clock(r.To))
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "RULE\tMATCHED\tJUDGED\tUNJUDGED\tINCIDENTS\tMESSAGES\t"
	if r.Baseline != nil {
		head += "CAUGHT\tMISSED\t"
	}
	fmt.Fprintln(t, head+"BUSIEST HOUR\tTOP KEY")
	for i := range r.Rules {
		fmt.Fprintln(t, backtestRow(&r.Rules[i], r.Baseline != nil))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s and %s in Slack", cli.Plural(r.Incidents, "incident"), cli.Plural(r.Messages, "message"))
	if b := r.Baseline; b != nil {
		fmt.Fprintf(w, "; the baseline: %s and %s", cli.Plural(b.Incidents, "incident"), cli.Plural(b.Messages, "message"))
	}
	fmt.Fprintln(w)
	for i := range r.Rules {
		if text := heldBackText(r.Rules[i].HeldBack); text != "" {
			fmt.Fprintf(w, "%s: held back %s\n", r.Rules[i].Name, text)
		}
	}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if rule.LastError != "" {
			fmt.Fprintf(w, "\n%s: latest error: %v\n", rule.Name, cli.Printable(rule.LastError))
		}
		if rule.Windows {
			listCalls(w, rule.Name+": calls behind its incidents, of those that matched", rule.Calls, rule.CallsOmitted)
			continue
		}
		if r.Baseline == nil {
			listCalls(w, rule.Name+": calls that matched", rule.Calls, rule.CallsOmitted)
			continue
		}
		listCalls(w, rule.Name+": newly caught", rule.Caught, rule.CaughtOmitted)
		listCalls(w, rule.Name+": no longer caught", rule.Missed, rule.MissedOmitted)
	}
	return nil
}

func backtestRow(r *backtest.RuleReport, compared bool) string {
	name := r.Name
	switch {
	case r.Removed:
		name += " (removed)"
	case r.Mode != rules.Active:
		name += " (" + string(r.Mode) + ")"
	}
	cells := []string{name}
	for _, n := range []int{r.Matched, r.Judged, r.Unjudged, r.Incidents, r.Messages} {
		cells = append(cells, cli.Grouped(n))
	}
	switch {
	case compared && r.Windows:
		cells = append(cells, "-", "-")
	case compared:
		cells = append(cells, cli.Grouped(len(r.Caught)+r.CaughtOmitted), cli.Grouped(len(r.Missed)+r.MissedOmitted))
	}
	busiest, top := "", ""
	if b := r.BusiestHour; b != nil {
		busiest = fmt.Sprintf("%s (%s)", cli.Clock(b.Start), cli.Plural(b.Messages, "message"))
	}
	if len(r.TopKeys) > 0 {
		top = keyText(r.TopKeys[0].By)
	}
	return strings.Join(append(cells, busiest, top), "\t")
}

// heldBackText lists what a rule kept from being announced; "" for nothing.
func heldBackText(h rules.HeldBack) string {
	var parts []string
	for _, p := range []struct {
		n  int
		by string
	}{{h.ActiveHours, "outside of active hours"}, {h.Cooldown, "during cooldown"}, {h.Silences, "by silences"}} {
		if p.n > 0 {
			parts = append(parts, cli.Grouped(p.n)+" "+p.by)
		}
	}
	return strings.Join(parts, ", ")
}

func listCalls(w io.Writer, title string, list []backtest.CallMatch, omitted int) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, c := range list[:min(len(list), shownCalls)] {
		fmt.Fprintf(w, "  %s  %-8s  %s %v  %v\n", cli.Clock(c.At), c.Severity, c.Provider, cli.Printable(c.CallID), cli.Printable(strings.Join(c.Held, ", ")))
	}
	if more := len(list) + omitted - shownCalls; more > 0 {
		fmt.Fprintf(w, "  and %s more\n", cli.Grouped(more))
	}
}

func keyText(by []rules.Label) string {
	var values []string
	for _, l := range by {
		if l.Value == "" {
			l.Value = "unknown"
		}
		values = append(values, fmt.Sprint(cli.Printable(l.Value)))
	}
	return strings.Join(values, ", ")
}
