package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
)

// sourceFlags say where past events come from.
type sourceFlags struct {
	events, payloads, provider string
	since, until               string
}

func (f *sourceFlags) add(c *cobra.Command, providers normalizer.Registry) {
	c.Flags().StringVar(&f.events, "events", "", "read events from this file instead of the store: NDJSON or a JSON array, plain or gzip; - for standard input")
	c.Flags().StringVar(&f.payloads, "payloads", "", "read the providers' bodies in this folder instead, through the normalizer; sub-folders are named after providers")
	c.Flags().StringVar(&f.provider, "provider", "", "whose bodies all of --payloads are: "+strings.Join(providers.Names(), ", "))
	c.Flags().StringVar(&f.since, "since", "", "leave out what was stored before: a time, a date, or how long ago (7d, 12h)")
	c.Flags().StringVar(&f.until, "until", "", "leave out what was stored from then on")
}

const sourceHelp = "Past events come from the store: the data directory of a callwatch that is stopped, or --nats-url of one that runs\n" +
	"with --nats-listen. Or they come from a file, or from a folder of raw bodies. Events of a file count at the time they\n" +
	"were received, else at which the call ended, else at which they occurred; the clock on the wall is never asked.\n" +
	"With --since, calls and incidents that began before are not known."

// source reads past events in their order.
type source struct {
	flags    *sourceFlags
	cfg      *config.Config
	stdin    io.Reader
	log      *slog.Logger
	raw      bool // decode the providers' own members too
	from, to time.Time
	progress *progress
	anyOrder bool   // the order of a large file does not matter
	restart  func() // forgets the events so far: a large file was not in order; nil: it is sorted first

	unreadable int // stored events, as serve passes over them
}

// newSource checks the flags. now is what --since 7d counts from.
func newSource(c *cobra.Command, f *sourceFlags, cfg *config.Config, now time.Time) (*source, error) {
	s := &source{flags: f, cfg: cfg, stdin: c.InOrStdin(), raw: true}
	s.log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if s.from, err = eventlog.ParseTime(f.since, now); err != nil {
		return nil, usage(fmt.Errorf("--since: %w", err))
	}
	if s.to, err = eventlog.ParseTime(f.until, now); err != nil {
		return nil, usage(fmt.Errorf("--until: %w", err))
	}
	switch {
	case f.events != "" && f.payloads != "":
		return nil, usage(errors.New("--events and --payloads: give one of them"))
	case f.provider != "" && f.payloads == "":
		return nil, usage(errors.New("--provider belongs to --payloads"))
	case !s.to.IsZero() && s.to.Before(s.from):
		return nil, usage(errors.New("--until is before --since"))
	}
	s.progress = newProgress(c.ErrOrStderr())
	return s, nil
}

// errUntil ends reading at --until.
var errUntil = errors.New("the end that was asked for")

// each hands in all events of the source, and ticks where they were stored.
func (s *source) each(ctx context.Context, fn func(eventlog.Moment) error) error {
	defer s.progress.end()
	bounded := s.bounded(fn)
	var err error
	switch {
	case s.flags.events != "":
		err = s.eachOfFile(ctx, bounded)
	case s.flags.payloads != "":
		err = s.eachOfPayloads(ctx, bounded)
	default:
		err = s.eachStored(ctx, bounded)
	}
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

// bounded leaves out what is before or behind the times that were asked for.
func (s *source) bounded(fn func(eventlog.Moment) error) func(eventlog.Moment) error {
	return func(m eventlog.Moment) error {
		switch {
		case m.At.Before(s.from):
			return nil
		case !s.to.IsZero() && !m.At.Before(s.to) && s.fromStore():
			return errUntil
		case !s.to.IsZero() && !m.At.Before(s.to):
			return nil // a later one may be earlier
		}
		return fn(m)
	}
}

func (s *source) order() eventlog.Order {
	if s.anyOrder {
		return eventlog.AnyOrder
	}
	return eventlog.Sorted
}

func (s *source) fromStore() bool { return s.flags.events == "" && s.flags.payloads == "" }

// eachStored reads the store. It skips an event that cannot be read, as serve does.
func (s *source) eachStored(ctx context.Context, fn func(eventlog.Moment) error) (err error) {
	if s.cfg.NATS.URL == "" {
		if _, err := os.Stat(s.cfg.DataDir); err != nil {
			return usage(fmt.Errorf("no stored events: %w; give --data-dir, --nats-url, --events or --payloads", err))
		}
	}
	store, err := stream.OpenReader(ctx, s.cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("%w (a running callwatch shares its events with --nats-listen, read here by --nats-url)", err)
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	s.unreadable, err = eventlog.Read(ctx, store, eventlog.Reading{Since: s.from, Raw: s.raw, Progress: s.progress.at}, fn)
	return err
}

// eachOfFile reads the events of a file.
func (s *source) eachOfFile(ctx context.Context, fn func(eventlog.Moment) error) error {
	in, size := s.stdin, int64(0)
	if s.flags.events != "-" {
		f, err := os.Open(s.flags.events)
		if err != nil {
			return usage(fmt.Errorf("--events: %w", err))
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
		in = f
	}
	file := eventlog.File{Name: s.flags.events, In: in, Log: s.log, Raw: s.raw, Progress: func(n int64) { s.progress.at(n, size) }, AnyOrder: s.anyOrder, Restart: s.restart}
	err := file.Each(ctx, fn)
	var bad *eventlog.ReadError
	if errors.As(err, &bad) {
		return problems(fmt.Errorf("%s: %w", s.flags.events, err))
	}
	return err
}
