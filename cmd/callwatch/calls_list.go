package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers"
	"callwatch/handlers/api"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/readmodel"
	"callwatch/rules"
)

// mostListed is how many calls a command lists at most.
const mostListed = 100_000

// withModel lets fn ask the read model: the running one, or one that is fed here.
func (a *app) withModel(ctx context.Context, fn func(*backend.ReadModel) (any, error)) (any, error) {
	if a.model != nil {
		return fn(a.model.ReadModel())
	}
	m := readmodel.New(readmodel.Config{Path: a.cfg.ModelFile(), Store: a.store, Fold: a.cfg.Folding(), Log: a.log})
	feeding, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(feeding) }()
	current := make(chan error, 1)
	go func() { current <- m.Current(feeding) }()
	var result any
	var err error
	select {
	case err = <-ended:
		ended <- nil
	case err = <-current:
	}
	if err == nil {
		result, err = fn(m.ReadModel())
	}
	stop()
	if stopped := <-ended; err == nil && !errors.Is(stopped, context.Canceled) {
		err = stopped
	}
	return result, err
}

// asRefusal makes what is wrong with a query the fault of who asked.
func asRefusal(err error) error {
	var wrong *backend.QueryError
	var problems rules.Problems
	if errors.As(err, &wrong) || errors.As(err, &problems) {
		return &handlers.Refusal{Err: err}
	}
	return err
}

// listCalls is a page of calls.
func (a *app) listCalls(ctx context.Context, params url.Values) (any, error) {
	q := backend.CallQuery{Search: params.Get("q"), Filter: params.Get("filter"), Severity: rules.Severity(params.Get("severity")), Account: params.Get("account"), Cursor: params.Get("cursor")}
	q.Sort, q.Desc = strings.CutPrefix(params.Get("sort"), "-")
	q.Limit, _ = strconv.Atoi(params.Get("limit"))
	var err error
	if q.Since, q.Until, err = spanOf(params); err != nil {
		return nil, &handlers.Refusal{Err: err}
	}
	result, err := a.withModel(ctx, func(m *backend.ReadModel) (any, error) {
		page, err := m.Calls(ctx, q)
		return api.CallListOf(page), err
	})
	return result, asRefusal(err)
}

// figures are figures of calls.
func (a *app) figures(ctx context.Context, params url.Values) (any, error) {
	q := backend.StatsQuery{Provider: params.Get("provider"), Account: params.Get("account"), Filter: params.Get("filter"), By: params.Get("by"), Compare: params.Get("compare") == "true"}
	var err error
	if q.Since, q.Until, err = spanOf(params); err != nil {
		return nil, &handlers.Refusal{Err: err}
	}
	result, err := a.withModel(ctx, func(m *backend.ReadModel) (any, error) { return m.Stats(ctx, q) })
	return result, asRefusal(err)
}

// suggest describes a field of the stored calls for a command.
func (a *app) suggest(ctx context.Context, params url.Values, progress func(done, total int64)) (any, error) {
	q := backend.SuggestQuery{Field: params.Get("field"), By: params["by"]}
	var err error
	if q.Since, q.Until, err = spanOf(params); err != nil {
		return nil, &handlers.Refusal{Err: err}
	}
	report, err := a.query.Suggest(ctx, q, func(done, total uint64) { progress(int64(done), int64(total)) }) //nolint:gosec // counts of messages
	if errors.Is(err, backend.ErrBusy) {
		err = &handlers.Refusal{Err: errors.New("other stored events are being read: try again when that is done")}
	}
	return report, asRefusal(err)
}

func spanOf(params url.Values) (since, until time.Time, err error) {
	for name, to := range map[string]*time.Time{"since": &since, "until": &until} {
		if text := params.Get(name); text != "" && err == nil {
			*to, err = time.Parse(time.RFC3339, text)
		}
	}
	return since, until, err
}

// chosen are the flags that choose calls.
type chosen struct {
	since, until, filter, account, severity, sort string
	limit                                         int
}

func (f *chosen) params(search string, now time.Time) (url.Values, error) {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("q", search)
	set("filter", f.filter)
	set("account", f.account)
	set("severity", f.severity)
	set("sort", f.sort)
	for name, text := range map[string]string{"since": f.since, "until": f.until} {
		at, err := eventlog.ParseTime(text, now)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("--%s: %w", name, err))
		}
		if !at.IsZero() {
			v.Set(name, at.Format(time.RFC3339))
		}
	}
	return v, nil
}

func callListCommand(s *cli.Settings) *cobra.Command {
	return listCommand(s, &cobra.Command{
		Use: "ls", Short: "List calls, newest first", Args: cobra.NoArgs,
		Long:    "List calls, newest first. " + workHelp,
		Example: "  callwatch calls ls --since 24h --filter 'mos < 3.5 && region == \"us-east\"'\n  callwatch calls ls --sort=-packetLossPct --limit 20",
	})
}

func callFindCommand(s *cli.Settings) *cobra.Command {
	return listCommand(s, &cobra.Command{
		Use: "find TEXT", Short: "Find calls by id, number or agent", Args: cobra.ExactArgs(1),
		Long:    "Find calls by one of their ids, a number in any spelling or its last digits, or a part of an agent's name. " + workHelp,
		Example: "  callwatch calls find '+1 415 555 0187'\n  callwatch calls find 0187 --since 7d",
	})
}

func listCommand(s *cli.Settings, c *cobra.Command) *cobra.Command {
	f := &chosen{}
	flags := c.Flags()
	flags.StringVar(&f.since, "since", "", "calls that began at or after: a time, a date, or how long ago (7d, 12h)")
	flags.StringVar(&f.until, "until", "", "calls that began before")
	flags.StringVar(&f.filter, "filter", "", "expression of the rule language; only what certainly holds passes")
	flags.StringVar(&f.account, "account", "", "only of this account of a provider")
	flags.StringVar(&f.severity, "severity", "", "of the worst incident: critical, warning or info")
	flags.StringVar(&f.sort, "sort", "", "field, at or severity; with - before it the largest first")
	flags.IntVar(&f.limit, "limit", 50, "calls to list")
	o, open := cli.AddOutput(c), addWorkplace(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.limit < 1 || f.limit > mostListed {
			return cli.Usage(fmt.Errorf("--limit: %d is not in 1 to %d", f.limit, mostListed))
		}
		params, err := f.params(strings.Join(args, ""), time.Now())
		if err != nil {
			return err
		}
		d, err := open(c)
		if err != nil {
			return err
		}
		rows, building, err := d.calls(c.Context(), params, f.limit, cli.NewProgress(c.ErrOrStderr()))
		if err != nil {
			return err
		}
		sayBuilding(c, building)
		return cli.PrintAll(c.OutOrStdout(), *o, rows, func(w io.Writer) error { return callTable(w, rows) })
	}
	return c
}

// sayBuilding warns of an answer that is not whole.
func sayBuilding(c *cobra.Command, building bool) {
	if building {
		fmt.Fprintln(c.ErrOrStderr(), "callwatch: this is not whole: the list of calls is being built from what is stored")
	}
}

// calls lists up to limit calls, page by page; building says that some may be missing.
func (d *workplace) calls(ctx context.Context, params url.Values, limit int, bar *cli.Progress) (rows []backend.CallRow, building bool, err error) {
	const pageSize = 1000
	rows = []backend.CallRow{}
	for {
		params.Set("limit", strconv.Itoa(min(limit-len(rows), pageSize)))
		var page api.CallList
		if d.remote != nil {
			err = d.remote.Ask(ctx, http.MethodGet, "/calls?"+params.Encode(), nil, &page)
		} else {
			err = d.do(ctx, "calls", params, nil, &page, bar)
		}
		if err != nil {
			return nil, false, err
		}
		rows, building = append(rows, page.Calls...), building || page.Building
		if page.Next == "" || len(rows) >= limit {
			return rows, building, nil
		}
		params.Set("cursor", page.Next)
	}
}

func callTable(w io.Writer, rows []backend.CallRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tPROVIDER\tCALL\tDIRECTION\tFROM\tTO\tSTATUS\tDURATION\tMOS\tLOSS\tSEVERITY")
	for i := range rows {
		e := &rows[i].Call
		cells := []string{
			cli.LocalTime(rows[i].At), e.Source(), e.CallID, e.Direction, e.From, e.To, e.Status, shownNumber(e.DurationSec, 0, " s"),
			shownNumber(e.MOS, 2, ""), shownNumber(e.PacketLossPct, 1, " %"), string(rows[i].Severity),
		}
		for j := range cells {
			cells[j] = cli.PrintableText(cmp.Or(cells[j], "-"))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// shownNumber is a number with so many digits behind the point; "" if it is unknown.
func shownNumber(v *float64, digits int, unit string) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', digits, 64) + unit
}

func statsCommand(s *cli.Settings) *cobra.Command {
	var since, until, by, provider, account, filter string
	var compare bool
	c := &cobra.Command{
		Use: "stats", Short: "Show figures of calls by dimension", Args: cobra.NoArgs,
		Long: "Show figures of the calls of a time range, the last 24 hours without one. A share with two ends lies between them:\n" +
			"what is not known of a call may be either. " + workHelp,
		Example: "  callwatch stats --by region --since 7d --compare",
	}
	f := c.Flags()
	f.StringVar(&since, "since", "24h", "a time, a date, or how long ago (7d, 12h)")
	f.StringVar(&until, "until", "", "a time, a date, or how long ago")
	f.StringVar(&by, "by", "provider", strings.Join(backend.Dimensions(), ", "))
	f.StringVar(&provider, "provider", "", "only this provider's calls")
	f.StringVar(&account, "account", "", "only this account's calls")
	f.StringVar(&filter, "filter", "", "expression of the rule language")
	f.BoolVar(&compare, "compare", false, "with the period of the same length before")
	o, open := cli.AddOutput(c), addWorkplace(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		params, err := (&chosen{since: since, until: until, filter: filter, account: account}).params("", time.Now())
		if err != nil {
			return err
		}
		params.Set("by", by)
		for name, value := range map[string]string{"provider": provider, "compare": map[bool]string{true: "true"}[compare]} {
			if value != "" {
				params.Set(name, value)
			}
		}
		d, err := open(c)
		if err != nil {
			return err
		}
		var stats backend.Stats
		if d.remote != nil {
			err = d.remote.Ask(c.Context(), http.MethodGet, "/stats?"+params.Encode(), nil, &stats)
		} else {
			err = d.do(c.Context(), "stats", params, nil, &stats, cli.NewProgress(c.ErrOrStderr()))
		}
		if err != nil {
			return err
		}
		sayBuilding(c, stats.Building)
		return cli.PrintOne(c.OutOrStdout(), *o, stats, func(w io.Writer) error { return statsTable(w, &stats, by) })
	}
	return c
}

func statsTable(w io.Writer, s *backend.Stats, by string) error {
	fmt.Fprintf(w, "%s to %s\n", cli.LocalTime(s.Since), cli.LocalTime(s.Until))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tCALLS\tANSWERED\tFAILED\tMOS BELOW 3.5\tMOS MEDIAN\tMOS P5\tLOSS P95\tTURN P95\n", strings.ToUpper(by))
	line := func(name string, f *backend.Figures) {
		cells := []string{
			name, strconv.FormatInt(f.Calls, 10), shownRate(&f.Answered), shownRate(&f.Failed), shownRate(&f.Bad),
			shownNumber(f.MOS.Median, 2, ""), shownNumber(f.MOS.P5, 2, ""), shownNumber(f.LossPct.P95, 1, " %"), shownNumber(f.TurnMs.P95, 0, " ms"),
		}
		for i := range cells {
			cells[i] = cli.PrintableText(cmp.Or(cells[i], "-"))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		line(cmp.Or(g.Value, "(unknown)"), &g.Figures)
		if g.Before != nil {
			line("  before", g.Before)
		}
	}
	line("all", &s.Total)
	if s.Before != nil {
		line("  before", s.Before)
	}
	return t.Flush()
}

// shownRate is a share of the calls of which it is known, in percent.
func shownRate(r *backend.Rate) string {
	if r.OfKnown == nil {
		return ""
	}
	return shownNumber(new(100**r.OfKnown), 1, " %")
}
