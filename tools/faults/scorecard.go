package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"callwatch/tools/faults/rig"
	"callwatch/tools/faults/storage"
	"callwatch/tools/faults/variants"
)

// scorecard are all rows in their order.
func scorecard() []rig.Row {
	return []rig.Row{
		{Number: 1, Name: "kill9", Fault: "kill -9 under load, Slack faulty", Promise: "0 lost, 0 announced twice", Run: kill9},
		{Number: 2, Name: "powercut", Fault: "power cut under load (ext4 shut down without flushing its log)", Promise: "0 acknowledged lost", Root: true, Run: storage.Powercut},
		{Number: 3, Name: "rolling", Fault: "restarts under 1,000 requests a second", Promise: "0 failed requests that a provider would not repeat", Run: rolling},
		{Number: 4, Name: "sigstop", Fault: "SIGSTOP for 1 to 30 s, during Slack calls too", Promise: "0 twice", Run: sigstop},
		{Number: 5, Name: "diskfull", Fault: "disk full, then freed", Promise: "503 within 1 s, recovers alone within 10 s, 0 lost", Root: true, Run: storage.Diskfull},
		{Number: 6, Name: "ioerror", Fault: "fsync fails", Promise: "no 200 after it", Run: storage.Ioerror},
		{Number: 7, Name: "bitflip", Fault: "one bit flipped in block files, 200 places", Promise: "all detected and named, nothing outside the damaged block lost", Run: storage.Bitflip},
		{Number: 8, Name: "cluster", Fault: "replicas and NATS servers of a cluster killed, stopped and cut off", Promise: "0 lost, 0 announced twice, stages taken over within 5 s", Long: true, Run: cluster},
		{Number: 9, Name: "clock", Fault: "clock set by an hour and a day, both ways", Promise: "no wrong alert", Long: true, Run: clocks},
		{Number: 10, Name: "tenfold", Fault: "every webhook ten times, shuffled, again after 75 h", Promise: "the same incidents as once", Run: tenfold},
		{Number: 11, Name: "poison", Fault: "bodies that cannot be read, a rule that panics", Promise: "nothing stalls, all kept with a reason", Run: poison},
		{Number: 12, Name: "slack", Fault: "Slack: 429, 5xx before and after commit, cut, slow, down, token revoked, channel archived", Promise: "0 lost, 0 twice, at most a post a second", Run: slackRow},
		{Number: 13, Name: "storm", Fault: "thousands of bad calls at once", Promise: "bounded posts, none forgotten", Run: storm},
		{Number: 14, Name: "backlog", Fault: "a million webhooks waiting", Promise: "webhook p99 below 20 ms or twice the idle one, drains at five times the arrival", Run: backlog},
		{Number: 15, Name: "replay", Fault: "whole log judged and announced again", Promise: "0 new posts", Run: replay},
		{Number: 16, Name: "reload", Fault: "1,000 reloads under load, half of them invalid", Promise: "no event unjudged, old rules kept", Run: reload},
		{Number: 17, Name: "hostile", Fault: "slowloris, 10,000 connections, bombs, floods of bad signatures", Promise: "memory bounded, other requests p99 under 100 ms", Run: hostile},
		{Number: 18, Name: "forge", Fault: "forged, replayed, truncated signatures", Promise: "none accepted", Run: forge},
		{Number: 19, Name: "foreign", Fault: "foreign and malformed messages on every subject and bucket, before and after starts", Promise: "the same alerts, all named, every start succeeds", Run: storage.Foreign},
		{Number: 20, Name: "retention", Fault: "a month on a file system of 1 GB: many times what it holds is sent", Promise: "no webhook refused, no alert lost, size flat, webhooks go before events", Run: storage.Retention},
		{Number: 21, Name: "erase", Fault: "calls erased in seven orders of events, restarts and kills behind each", Promise: "the number is in no file, nothing brings the call back", Run: storage.EraseRow},
		{Number: 22, Name: "strangers", Fault: "2,000 slow forms, floods of headers, 10,000 connections and hostile drafts at once in 1 GiB of memory", Promise: "alive, other requests p99 under 100 ms", Run: strangers},
		{Number: 23, Name: "cold", Fault: "start on 10 million events, after a clean stop and after kill -9", Promise: "webhooks within 3 s and none lost, ready within 1.2 times the bare nats-server, damage of old blocks named while webhooks are taken", Run: storage.Cold},
		{Number: 24, Name: "away", Fault: "Slack away for ten minutes", Promise: "degraded within 60 s everywhere, then all delivered once", Run: away},
		{Number: 25, Name: "readmodel", Fault: "killed while the read model is fed and built; its file cut, flipped, overwritten and deleted", Promise: "webhooks are taken, and lists and figures are those of a file that is built again", Run: storage.ModelRow},
		{Number: 26, Name: "upgrade", Fault: "an older callwatch replaced under load, gone back to, and replaced again", Promise: "0 lost, 0 announced twice, the older one refuses the newer store", Long: true, Run: upgrade},
	}
}

// errUnnoticed says that a mutation did not turn its row red.
var errUnnoticed = errors.New("the mutation is not noticed")

// chances is how often a row may try, each time with another seed, to notice a mutation: what
// a mechanism prevents does not happen in each short run.
const chances = 3

// perform makes a run and prints its last line. It returns nil where the run ended
// as it must, or was skipped.
func (r run) perform(ctx context.Context, out io.Writer) (err error) {
	for range chances {
		if err = r.once(ctx, out); !errors.Is(err, errUnnoticed) {
			return err
		}
		r.settings.Seed++
	}
	return err
}

func (r run) once(ctx context.Context, out io.Writer) (err error) {
	o := r.settings
	t := &rig.Trial{Context: ctx, Settings: o, Row: r.row, Out: out, Variant: variants.Plain}
	begun := time.Now()
	t.Say("seed %d, mutation %s", o.Seed, o.Mutate)
	switch {
	case o.Short && r.all && r.row.Root:
		err = rig.Skip("needs root; run it alone")
	case o.Short && r.all && r.row.Long:
		err = rig.Skip("takes minutes; run it alone")
	case r.row.Root && os.Geteuid() != 0:
		err = rig.Skip("needs root")
	default:
		err = inDirectory(t, r.row.Run)
	}
	verdict := "reached"
	switch {
	case errors.Is(err, rig.ErrSkipped):
		t.Say("%v", err)
		return nil
	case err != nil:
		verdict = "NOT REACHED: " + err.Error()
	}
	figures := strings.Join(t.Counts, ", ")
	t.Say("%s  (%s, %s)", figures, verdict, time.Since(begun).Round(100*time.Millisecond))
	if o.Record != "" && !errors.Is(err, rig.ErrSetup) && ctx.Err() == nil {
		if err := record(o, r.row, figures, err == nil, begun); err != nil {
			return err
		}
	}
	switch {
	case !r.wantRed || errors.Is(err, rig.ErrSetup) || ctx.Err() != nil:
		return err
	case err == nil:
		t.Say("MUTATION NOT NOTICED: %s", o.Mutate)
		return errUnnoticed
	default:
		t.Say("noticed mutation %s", o.Mutate)
		return nil
	}
}

func inDirectory(t *rig.Trial, run func(*rig.Trial) error) error {
	dir, err := os.MkdirTemp("", "faults-"+t.Row.Name+"-")
	if err != nil {
		return err
	}
	t.Dir = dir
	if t.Keep {
		t.Say("files are kept in %s", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	return run(t)
}

// record appends a result to a file: row, number, date, seed, mutation, verdict,
// command and figures, separated by tabs.
func record(o rig.Settings, r rig.Row, figures string, reached bool, at time.Time) error {
	f, err := os.OpenFile(o.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	verdict := map[bool]string{true: "reached", false: "not reached"}[reached]
	if o.Short && reached {
		verdict = "short run, times not judged" // says less than the row promises
	}
	_, err = fmt.Fprintln(f, strings.Join([]string{
		fmt.Sprint(r.Number), r.Name, at.UTC().Format(time.DateOnly), fmt.Sprint(o.Seed), string(o.Mutate), verdict, commandOf(o, r), figures,
	}, "\t"))
	return errors.Join(err, f.Close())
}

// commandOf is what makes this run again.
func commandOf(o rig.Settings, r rig.Row) string {
	c := fmt.Sprintf("go run ./tools/faults %s -seed %d", r.Name, o.Seed)
	if o.Cycles > 0 {
		c += fmt.Sprintf(" -cycles %d", o.Cycles)
	}
	if o.Length > 0 {
		c += fmt.Sprintf(" -for %s", o.Length)
	}
	if o.Short {
		c += " -short"
	}
	if o.Mutate != variants.None {
		c += " -mutate " + string(o.Mutate)
	}
	return c
}
