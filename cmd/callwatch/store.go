package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"callwatch/handlers/api"
	"callwatch/handlers/backend"
)

func storeCommand(s *settings) *cobra.Command {
	return commandGroup("store", "Show what the store takes, remove what is not kept, back it up",
		storeSizeCommand(s), storePruneCommand(s), storeBackupCommand(s), storeRestoreCommand(s))
}

func storeSizeCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "size", Short: "Show what each stream takes, the limit, the growth and the days left", Args: cobra.NoArgs,
		Long: "Show what each stream and the whole data directory take, the limit, the growth per day and the days until the limit\n" +
			"is reached. " + deskHelp,
	}
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var size backend.StoreSize
		if d.remote != nil {
			err = d.remote.ask(c.Context(), http.MethodGet, "/store", nil, &size)
		} else {
			err = d.do(c.Context(), "store-size", nil, nil, &size, newProgress(c.ErrOrStderr()))
		}
		if err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, size, func(w io.Writer) error { return printStoreSize(w, &size) })
	}
	return c
}

func printStoreSize(w io.Writer, size *backend.StoreSize) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STREAM\tMESSAGES\tSIZE\tPER DAY\tOLDEST\tKEPT FOR")
	for _, s := range size.Streams {
		oldest, keep, perDay := "-", "-", "-"
		if !s.Oldest.IsZero() {
			oldest = localTime(s.Oldest)
		}
		if s.Keep > 0 {
			keep = daysOf(time.Duration(s.Keep) * time.Second)
		}
		if s.PerDay > 0 {
			perDay = shownBytes(s.PerDay)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", printableText(s.Name), s.Messages, shownBytes(s.Bytes), perDay, oldest, keep)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if size.Directory > 0 {
		fmt.Fprintf(w, "\ndata directory: %s\n", shownBytes(size.Directory))
	}
	_, err := fmt.Fprintln(w, "store: "+shownUsage(&size.StoreUsage))
	return err
}

// shownUsage is how full the store is, in one line.
func shownUsage(u *backend.StoreUsage) string {
	text := shownBytes(u.Bytes)
	if u.Limit > 0 {
		text += " of " + shownBytes(u.Limit)
	}
	if u.GrowthPerDay > 0 {
		text += ", grows by " + shownBytes(u.GrowthPerDay) + " a day"
	}
	if u.DaysLeft != nil {
		text += fmt.Sprintf(", reaches the limit in %.1f days", *u.DaysLeft)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Short)) {
		text += fmt.Sprintf("; %s is kept %s less than configured", printableText(name), daysOf(time.Duration(u.Short[name])*time.Second))
	}
	return text
}

// daysOf is a length of time in days, or hours below two days.
func daysOf(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f d", d.Hours()/24)
}

func shownBytes(n uint64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'f', min(1, len(unit)-1), 64) + " " + unit
}

func storePruneCommand(s *settings) *cobra.Command {
	var dryRun bool
	var by string
	c := &cobra.Command{
		Use: "prune", Short: "Remove now what retention no longer keeps", Args: cobra.NoArgs,
		Long: "Remove now what retention no longer keeps, instead of within the next half minute: webhooks older than\n" +
			"CALLWATCH_RETENTION_RAW, and the oldest webhooks and events where the store is at its limit. What was not processed\n" +
			"yet stays. Events, incidents and dead letters are removed at their age by the store itself. " + deskHelp,
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed; the sizes are estimates")
	c.Flags().StringVar(&by, "by", "", "who asks for it (default: the user)")
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var done backend.Pruned
		if err := d.prune(c.Context(), api.Prune{DryRun: dryRun, By: cmp.Or(by, s.person())}, &done, newProgress(c.ErrOrStderr())); err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, done, func(w io.Writer) error { return printPruned(w, &done) })
	}
	return c
}

func (d *desk) prune(ctx context.Context, p api.Prune, done *backend.Pruned, bar *progress) error {
	if d.remote != nil {
		return d.remote.ask(ctx, http.MethodPost, "/store/prune", p, done)
	}
	return d.do(ctx, "store-prune", url.Values{"dry-run": {strconv.FormatBool(p.DryRun)}}, nil, done, bar)
}

func printPruned(w io.Writer, done *backend.Pruned) error {
	verb, about := "removed from", ""
	if done.DryRun {
		verb, about = "would be removed from", "about "
	}
	if len(done.Streams) == 0 {
		_, err := fmt.Fprintln(w, "nothing to remove")
		return err
	}
	for _, s := range done.Streams {
		if _, err := fmt.Fprintf(w, "%s %s %s: %s%s\n", plural(int(s.Messages), "message"), verb, printableText(s.Name), about, shownBytes(s.Bytes)); err != nil {
			return err
		}
	}
	return nil
}
