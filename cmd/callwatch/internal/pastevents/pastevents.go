// Package pastevents reads events of the past for commands that try rules on them:
// of a store, of a file, or of a folder with bodies of providers. It may import what
// reads events (pipeline/eventlog, stream, normalizer) and the helpers of commands,
// and knows nothing of rules.
package pastevents

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

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/normalizer"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
)

// Flags say where past events come from.
type Flags struct {
	Events, payloads, provider string
	since, until               string
}

// Add gives a command the flags.
func (f *Flags) Add(c *cobra.Command, providers normalizer.Registry) {
	cli.AddURL(c)
	c.Flags().StringVar(&f.Events, "events", "", "read events from this file instead of the store: NDJSON or a JSON array, plain or gzip; - for standard input")
	c.Flags().StringVar(&f.payloads, "payloads", "", "read the providers' bodies in this folder instead, through the normalizer; sub-folders are named after providers")
	c.Flags().StringVar(&f.provider, "provider", "", "whose bodies all of --payloads are: "+strings.Join(providers.Names(), ", "))
	c.Flags().StringVar(&f.since, "since", "", "leave out what was stored before: a time, a date, or how long ago (7d, 12h)")
	c.Flags().StringVar(&f.until, "until", "", "leave out what was stored from then on")
}

// Help says in a command's help where its events come from.
const Help = "Past events are those of the callwatch at --url or CALLWATCH_URL, or of the one that runs on the data directory; of the\n" +
	"data directory where none runs; or of a NATS server (--nats-url). Or they come from a file, or from a folder of raw\n" +
	"bodies. Events of a file count at the time they were received, else at which the call ended, else at which they\n" +
	"occurred; the clock on the wall is never asked. With --since, calls and incidents that began before are not known."

// Source reads past events in their order.
type Source struct {
	flags        *Flags
	cfg          *config.Config
	stdin        io.Reader
	log          *slog.Logger
	Raw          bool // decode the providers' own members too
	Since, Until time.Time
	Progress     *cli.Progress
	AnyOrder     bool   // the order of a large file does not matter
	Restart      func() // forgets the events so far: a large file was not in order; nil: it is sorted first
}

// New checks the flags. now is what --since 7d counts from.
func New(c *cobra.Command, f *Flags, cfg *config.Config, now time.Time) (*Source, error) {
	s := &Source{flags: f, cfg: cfg, stdin: c.InOrStdin(), Raw: true}
	s.log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if s.Since, err = eventlog.ParseTime(f.since, now); err != nil {
		return nil, cli.Usage(fmt.Errorf("--since: %w", err))
	}
	if s.Until, err = eventlog.ParseTime(f.until, now); err != nil {
		return nil, cli.Usage(fmt.Errorf("--until: %w", err))
	}
	switch {
	case f.Events != "" && f.payloads != "":
		return nil, cli.Usage(errors.New("--events and --payloads: give one of them"))
	case f.provider != "" && f.payloads == "":
		return nil, cli.Usage(errors.New("--provider belongs to --payloads"))
	case !s.Until.IsZero() && s.Until.Before(s.Since):
		return nil, cli.Usage(errors.New("--until is before --since"))
	}
	s.Progress = cli.NewProgress(c.ErrOrStderr())
	return s, nil
}

// errUntil ends reading at --until.
var errUntil = errors.New("the end that was asked for")

// Each hands in all events of the source, and ticks where they were stored.
func (s *Source) Each(ctx context.Context, fn func(eventlog.Moment) error) error {
	defer s.Progress.End()
	bounded := s.bounded(fn)
	var err error
	switch {
	case s.flags.Events != "":
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
func (s *Source) bounded(fn func(eventlog.Moment) error) func(eventlog.Moment) error {
	return func(m eventlog.Moment) error {
		switch {
		case m.At.Before(s.Since):
			return nil
		case !s.Until.IsZero() && !m.At.Before(s.Until) && s.fromStore():
			return errUntil
		case !s.Until.IsZero() && !m.At.Before(s.Until):
			return nil // a later one may be earlier
		}
		return fn(m)
	}
}

func (s *Source) order() eventlog.Order {
	if s.AnyOrder {
		return eventlog.AnyOrder
	}
	return eventlog.Sorted
}

// Place is the running callwatch that has the events; nil is here.
func (s *Source) Place(c *cobra.Command, settings *cli.Settings) (*cli.Remote, error) {
	if !s.fromStore() {
		if c.Flag("url").Changed {
			return nil, cli.Usage(errors.New("--url: events come from a running callwatch, or from --events or --payloads"))
		}
		return nil, nil //nolint:nilnil // here
	}
	return settings.Place(c, s.cfg)
}

func (s *Source) fromStore() bool { return s.flags.Events == "" && s.flags.payloads == "" }

// eachStored reads the store. It skips an event that cannot be read, as serve does.
func (s *Source) eachStored(ctx context.Context, fn func(eventlog.Moment) error) (err error) {
	if s.cfg.NATS.URL == "" {
		if _, err := os.Stat(s.cfg.DataDir); err != nil {
			return cli.Usage(fmt.Errorf("no stored events: %w; give --url, --data-dir, --nats-url, --events or --payloads", err))
		}
	}
	store, err := stream.OpenReader(ctx, s.cfg.Store(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	unreadable, err := eventlog.Read(ctx, store, eventlog.Reading{Since: s.Since, Raw: s.Raw, Progress: s.Progress.At}, fn)
	if unreadable > 0 {
		s.log.Warn("stored events cannot be read: left out, as in serve", "events", unreadable)
	}
	return err
}

// eachOfFile reads the events of a file.
func (s *Source) eachOfFile(ctx context.Context, fn func(eventlog.Moment) error) error {
	in, size := s.stdin, int64(0)
	if s.flags.Events != "-" {
		f, err := os.Open(s.flags.Events)
		if err != nil {
			return cli.Usage(fmt.Errorf("--events: %w", err))
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder; --payloads reads folders of the providers' bodies", s.flags.Events)
		}
		if err != nil {
			return cli.Usage(fmt.Errorf("--events: %w", err))
		}
		size = info.Size()
		in = f
	}
	file := eventlog.File{Name: s.flags.Events, In: in, Log: s.log, Raw: s.Raw, Progress: func(n int64) { s.Progress.At(n, size) }, AnyOrder: s.AnyOrder, Restart: s.Restart}
	err := file.Each(ctx, fn)
	var bad *eventlog.ReadError
	if errors.As(err, &bad) {
		return cli.Problems(fmt.Errorf("%s: %w", s.flags.Events, err))
	}
	return err
}
