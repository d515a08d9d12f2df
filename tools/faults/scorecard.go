package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"callwatch/tools/faults/checker"
	"callwatch/tools/faults/variants"
)

// row is one line of the scorecard.
type row struct {
	number  int
	name    string
	fault   string
	promise string // the number to reach
	root    bool   // needs privileges
	long    bool   // left out of `all -short`
	run     func(*trial) error
}

// scorecard are all rows in their order.
func scorecard() []row {
	return []row{
		{number: 1, name: "kill9", fault: "kill -9 under load, Slack faulty", promise: "0 lost, 0 announced twice", run: kill9},
		{number: 2, name: "powercut", fault: "power cut under load (ext4 shut down without flushing its log)", promise: "0 acknowledged lost", root: true, run: powercut},
		{number: 3, name: "rolling", fault: "restarts under 1,000 requests a second", promise: "0 failed requests that a provider would not repeat", run: rolling},
		{number: 4, name: "sigstop", fault: "SIGSTOP for 1 to 30 s, during Slack calls too", promise: "0 twice", run: sigstop},
		{number: 5, name: "diskfull", fault: "disk full, then freed", promise: "503 within 1 s, recovers alone within 10 s, 0 lost", root: true, run: diskfull},
		{number: 6, name: "ioerror", fault: "fsync fails", promise: "no 200 after it", run: ioerror},
		{number: 7, name: "bitflip", fault: "one bit flipped in block files, 200 places", promise: "all detected and named, nothing outside the damaged block lost", run: bitflip},
		{number: 8, name: "cluster", fault: "replicas and NATS servers of a cluster killed, stopped and cut off", promise: "0 lost, 0 announced twice, stages taken over within 5 s", long: true, run: cluster},
		{number: 9, name: "clock", fault: "clock set by an hour and a day, both ways", promise: "no wrong alert", long: true, run: clocks},
		{number: 10, name: "tenfold", fault: "every webhook ten times, shuffled, again after 75 h", promise: "the same incidents as once", run: tenfold},
		{number: 11, name: "poison", fault: "bodies that cannot be read, a rule that panics", promise: "nothing stalls, all kept with a reason", run: poison},
		{number: 12, name: "slack", fault: "Slack: 429, 5xx before and after commit, cut, slow, down, token revoked, channel archived", promise: "0 lost, 0 twice, at most a post a second", run: slackRow},
		{number: 13, name: "storm", fault: "thousands of bad calls at once", promise: "bounded posts, none forgotten", run: storm},
		{number: 14, name: "backlog", fault: "a million webhooks waiting", promise: "webhook p99 within twice the idle one, drains at five times the arrival", run: backlog},
		{number: 15, name: "replay", fault: "whole log judged and announced again", promise: "0 new posts", run: replay},
		{number: 16, name: "reload", fault: "1,000 reloads under load, half of them invalid", promise: "no event unjudged, old rules kept", run: reload},
		{number: 17, name: "hostile", fault: "slowloris, 10,000 connections, bombs, floods of bad signatures", promise: "memory bounded, other requests p99 under 100 ms", run: hostile},
		{number: 18, name: "forge", fault: "forged, replayed, truncated signatures", promise: "none accepted", run: forge},
		{number: 19, name: "foreign", fault: "foreign and malformed messages on every subject and bucket, before and after starts", promise: "the same alerts, all named, every start succeeds", run: foreign},
		{number: 20, name: "retention", fault: "a month on a file system of 1 GB: many times what it holds is sent", promise: "no webhook refused, no alert lost, size flat, webhooks go before events", run: retention},
		{number: 21, name: "erase", fault: "calls erased in seven orders of events, restarts and kills behind each", promise: "the number is in no file, nothing brings the call back", run: eraseRow},
		{number: 22, name: "strangers", fault: "2,000 slow forms, floods of headers, 10,000 connections and hostile drafts at once in 1 GiB of memory", promise: "alive, other requests p99 under 100 ms", run: strangers},
		{number: 23, name: "cold", fault: "start on 10 million events, after a clean stop and after kill -9", promise: "webhooks within 3 s and none lost, ready within 1.2 times the bare nats-server, damage of old blocks named while webhooks are taken", run: cold},
		{number: 24, name: "away", fault: "Slack away for ten minutes", promise: "degraded within 60 s everywhere, then all delivered once", run: away},
		{number: 25, name: "readmodel", fault: "killed while the read model is fed and built; its file cut, flipped, overwritten and deleted", promise: "webhooks are taken, and lists and figures are those of a file that is built again", run: modelRow},
		{number: 26, name: "upgrade", fault: "an older callwatch replaced under load, gone back to, and replaced again", promise: "0 lost, 0 announced twice, the older one refuses the newer store", long: true, run: upgrade},
	}
}

// trial is one run of a row.
type trial struct {
	context.Context
	settings
	row    row
	out    io.Writer
	dir    string // of all its files
	counts []string

	verdict checker.Verdict     // of the checker, once it has judged
	variant variants.Variant    // of callwatch that is run; none is plain
	enable  []variants.Mutation // that belong to the row itself
}

var (
	errSkipped = errors.New("skipped")
	errSetup   = errors.New("the run could not be made") // says nothing about the promise
)

// skip ends a row that cannot run here, with the reason.
func skip(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errSkipped, fmt.Sprintf(format, args...))
}

// say prints a line about what is being done.
func (t *trial) say(format string, args ...any) {
	fmt.Fprintf(t.out, "%s  %s\n", t.row.name, fmt.Sprintf(format, args...))
}

// count adds a figure of the row's own to its last line.
func (t *trial) count(format string, args ...any) {
	t.counts = append(t.counts, fmt.Sprintf(format, args...))
}

// times is how often to make the fault: as asked for, else the row's number.
func (t *trial) times(short, full int) int {
	switch {
	case t.cycles > 0:
		return t.cycles
	case t.short:
		return short
	default:
		return full
	}
}

// span is how long to go on: as asked for, else the row's own time.
func (t *trial) span(short, full time.Duration) time.Duration {
	switch {
	case t.length > 0:
		return t.length
	case t.short:
		return short
	default:
		return full
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
		r.settings.seed++
	}
	return err
}

func (r run) once(ctx context.Context, out io.Writer) (err error) {
	o := r.settings
	t := &trial{Context: ctx, settings: o, row: r.row, out: out, variant: variants.Plain}
	begun := time.Now()
	t.say("seed %d, mutation %s", o.seed, o.mutate)
	switch {
	case o.short && r.all && r.row.root:
		err = skip("needs root; run it alone")
	case o.short && r.all && r.row.long:
		err = skip("takes minutes; run it alone")
	case r.row.root && os.Geteuid() != 0:
		err = skip("needs root")
	default:
		err = t.inDirectory(r.row.run)
	}
	verdict := "reached"
	switch {
	case errors.Is(err, errSkipped):
		t.say("%v", err)
		return nil
	case err != nil:
		verdict = "NOT REACHED: " + err.Error()
	}
	figures := strings.Join(t.counts, ", ")
	t.say("%s  (%s, %s)", figures, verdict, time.Since(begun).Round(100*time.Millisecond))
	if o.record != "" && !errors.Is(err, errSetup) && ctx.Err() == nil {
		if err := record(o, r.row, figures, err == nil, begun); err != nil {
			return err
		}
	}
	switch {
	case !r.wantRed || errors.Is(err, errSetup) || ctx.Err() != nil:
		return err
	case err == nil:
		t.say("MUTATION NOT NOTICED: %s", o.mutate)
		return errUnnoticed
	default:
		t.say("noticed mutation %s", o.mutate)
		return nil
	}
}

func (t *trial) inDirectory(run func(*trial) error) error {
	dir, err := os.MkdirTemp("", "faults-"+t.row.name+"-")
	if err != nil {
		return err
	}
	t.dir = dir
	if t.keep {
		t.say("files are kept in %s", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	return run(t)
}

// record appends a result to a file: row, number, date, seed, mutation, verdict,
// command and figures, separated by tabs.
func record(o settings, r row, figures string, reached bool, at time.Time) error {
	f, err := os.OpenFile(o.record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	verdict := map[bool]string{true: "reached", false: "not reached"}[reached]
	if o.short && reached {
		verdict = "short run, times not judged" // says less than the row promises
	}
	_, err = fmt.Fprintln(f, strings.Join([]string{
		fmt.Sprint(r.number), r.name, at.UTC().Format(time.DateOnly), fmt.Sprint(o.seed), string(o.mutate), verdict, o.command(r), figures,
	}, "\t"))
	return errors.Join(err, f.Close())
}

// command is what makes this run again.
func (o settings) command(r row) string {
	c := fmt.Sprintf("go run ./tools/faults %s -seed %d", r.name, o.seed)
	if o.cycles > 0 {
		c += fmt.Sprintf(" -cycles %d", o.cycles)
	}
	if o.length > 0 {
		c += fmt.Sprintf(" -for %s", o.length)
	}
	if o.short {
		c += " -short"
	}
	if o.mutate != variants.None {
		c += " -mutate " + string(o.mutate)
	}
	return c
}
