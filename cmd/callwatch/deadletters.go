package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"callwatch/handlers/backend"
	"callwatch/stream"
)

const (
	maxLetters   = 100_000   // replayed at once
	maxShownBody = 256 << 10 // of a dead letter's body, in bytes
)

// deadLetters are the latest dead letters, newest first.
func (a *app) deadLetters(ctx context.Context, params url.Values) ([]backend.DeadLetter, error) {
	limit, err := strconv.Atoi(params.Get("limit"))
	if err != nil || limit < 1 || limit > maxLetters {
		return nil, refuse("the limit is a number from 1 to %d", maxLetters)
	}
	stored, err := a.store.DeadLetters(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	out := make([]backend.DeadLetter, len(stored))
	for i := range stored {
		out[i] = shownLetter(&stored[i])
	}
	return out, nil
}

func shownLetter(d *stream.DeadLetter) backend.DeadLetter {
	return backend.DeadLetter{RawID: d.RawID, Provider: d.Provider, Kind: d.Kind, Error: d.Error, Time: d.Time}
}

// letterPage is a dead letter with its body.
type letterPage struct {
	backend.DeadLetter
	Source      string `json:"source"`
	ContentType string `json:"contentType"`
	Size        int    `json:"size"` // of the whole body, in bytes
	Body        string `json:"body"` // its beginning, what is no UTF-8 replaced
}

func (a *app) deadLetterPage(ctx context.Context, id string) (letterPage, error) {
	stored, err := a.store.DeadLetters(ctx, maxLetters)
	if err != nil {
		return letterPage{}, fmt.Errorf("read dead letters: %w", err)
	}
	i := slices.IndexFunc(stored, func(d stream.DeadLetter) bool { return d.RawID == id })
	if i < 0 {
		return letterPage{}, refuse("there is no dead letter %.40q", id)
	}
	page := letterPage{DeadLetter: shownLetter(&stored[i])}
	r, err := a.store.Record(ctx, id)
	if errors.Is(err, stream.ErrNotFound) {
		return page, nil
	}
	if err != nil {
		return letterPage{}, fmt.Errorf("read the body: %w", err)
	}
	page.Source, page.ContentType, page.Size = r.Source, r.ContentType, len(r.Body)
	page.Body = strings.ToValidUTF8(string(r.Body[:min(len(r.Body), maxShownBody)]), string(utf8.RuneError))
	return page, nil
}

// replayDeadLetters normalizes dead letters again, all of them when ids is nil. A
// body that can be normalized now is put behind the others in RAW as a replay of
// the old record, where the normalizing stage finds it: its events have the ids
// they would have had, so that a replay that is repeated changes nothing. One
// that still cannot stays a dead letter, with the present reason.
func replayDeadLetters(ctx context.Context, a *app, ids []string) (backend.Replayed, error) {
	var done backend.Replayed
	letters, err := a.store.DeadLetters(ctx, maxLetters)
	if err != nil {
		return done, fmt.Errorf("read dead letters: %w", err)
	}
	slices.Reverse(letters) // in the order in which they came
	if ids != nil {
		letters = slices.DeleteFunc(letters, func(d stream.DeadLetter) bool { return !slices.Contains(ids, d.RawID) })
		for _, id := range ids {
			if !slices.ContainsFunc(letters, func(d stream.DeadLetter) bool { return d.RawID == id }) {
				return done, refuse("there is no dead letter %.40q", id)
			}
		}
	}
	var last uint64
	for _, d := range letters {
		done.Tried++
		at, reason, err := a.replayLetter(ctx, d)
		switch {
		case err != nil:
			return done, fmt.Errorf("replay %s: %w", d.RawID, err)
		case reason != nil:
			done.Failed++
			d.Error = reason.Error()
			err = a.store.PutDeadLetter(ctx, d)
		default:
			done.Mended++
			last = max(last, at.Seq)
			err = a.store.DropDeadLetter(ctx, d.Provider, d.Raw)
		}
		if err != nil {
			return done, err
		}
	}
	if last == 0 {
		return done, nil
	}
	return done, a.settle(ctx, last)
}

// replayLetter stores the body of a dead letter again if it can be normalized now;
// reason is why it cannot.
func (a *app) replayLetter(ctx context.Context, d stream.DeadLetter) (at stream.Position, reason, err error) {
	r, err := a.store.Record(ctx, d.RawID)
	if errors.Is(err, stream.ErrNotFound) {
		return at, errors.New("the body is no longer stored"), nil
	}
	if err != nil {
		return at, nil, err
	}
	events, reason := a.safeEvents(&r)
	if reason != nil || len(events) == 0 {
		return at, reason, nil
	}
	r.Replays = r.At
	id, err := a.store.Append(ctx, r)
	if err == nil {
		at, err = stream.ParsePosition(id)
	}
	return at, nil, err
}

func deadlettersCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "deadletters", Short: "List, show and replay bodies that could not be normalized", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(lettersListCommand(s), letterShowCommand(s), lettersReplayCommand(s))
	return c
}

func lettersListCommand(s *settings) *cobra.Command {
	var limit int
	c := &cobra.Command{Use: "ls", Short: "List dead letters, newest first", Long: "List dead letters, newest first. " + deskHelp, Args: cobra.NoArgs}
	c.Flags().IntVarP(&limit, "limit", "n", 100, "how many")
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, _ []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var list []backend.DeadLetter
		if err := d.do(c.Context(), "deadletters", url.Values{"limit": {strconv.Itoa(limit)}}, nil, &list, nil); err != nil {
			return err
		}
		return printAll(c.OutOrStdout(), *o, list, func(w io.Writer) error { return letterTable(w, list) })
	}
	return c
}

func letterTable(w io.Writer, list []backend.DeadLetter) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no dead letters")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPROVIDER\tTIME\tREASON")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.200s\n", d.RawID, printableText(d.Provider), localTime(d.Time), printableText(d.Error))
	}
	return t.Flush()
}

func letterShowCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with its body", Args: cobra.ExactArgs(1),
		Long: "Show a dead letter with its body, up to 256 KB of it. " + deskHelp,
	}
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var page letterPage
		if err := d.do(c.Context(), "deadletter", url.Values{"id": args}, nil, &page, nil); err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, page, func(w io.Writer) error {
			fmt.Fprintf(w, "dead letter %s, %s, %s, %s\n", page.RawID, printableText(page.Provider), printableText(page.Source), localTime(page.Time))
			fmt.Fprintln(w, printableText(page.Error))
			fmt.Fprintf(w, "%s, %s\n\n", printableText(page.ContentType), plural(page.Size, "byte"))
			_, err := fmt.Fprintln(w, printableLines(page.Body))
			return err
		})
	}
	return c
}

func lettersReplayCommand(s *settings) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "replay [ID...|--all]", Short: "Normalize dead letters again",
		Long: "Normalize dead letters again, after the normalizer was mended. What becomes events is judged as if it came now;\n" +
			"events that were seen before change nothing. What still cannot be normalized stays, with the present reason, and\n" +
			"ends the command with exit 1. " + deskHelp,
	}
	c.Flags().BoolVar(&all, "all", false, "every dead letter")
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		if all == (len(args) > 0) {
			return usage(errors.New("give either the ids of dead letters or --all"))
		}
		d, err := open(c)
		if err != nil {
			return err
		}
		var done backend.Replayed
		if err := d.do(c.Context(), "deadletters-replay", url.Values{"id": args}, nil, &done, nil); err != nil {
			return err
		}
		err = printOne(c.OutOrStdout(), *o, done, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%s replayed: %d mended, %d failed again\n", plural(done.Tried, "dead letter"), done.Mended, done.Failed)
			return err
		})
		if err == nil && done.Failed > 0 {
			return silent(exitProblems)
		}
		return err
	}
	return c
}
