package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/pipeline"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/telemetry"
	"callwatch/stream"
)

// work does one piece of work on what is stored, of those that commands and API
// offer by name.
func (a *app) work(ctx context.Context, name string, params url.Values, body io.Reader, progress func(done, total int64)) (any, error) {
	switch name {
	case "call":
		return a.scanCall(ctx, params)
	case "calls":
		return a.listCalls(ctx, params)
	case "stats":
		return a.figures(ctx, params)
	}
	done, err := a.maintenance.Do(ctx, name, params, body, progress)
	var refusal *maintenance.Refusal
	if errors.As(err, &refusal) || errors.Is(err, pipeline.ErrNotLeader) || errors.Is(err, pipeline.ErrInUse) {
		err = &handlers.Refusal{Err: err}
	}
	return done, err
}

// desk is where a command has work done: in this process, on the store of a
// callwatch that is stopped or on a NATS server; or by a running callwatch.
type desk struct {
	cfg    config.Config
	log    *slog.Logger
	remote *remote // nil: in this process
	fresh  bool    // a store may be made where there is none
}

// addDesk gives a command the flag that says where callwatch runs.
func addDesk(c *cobra.Command, s *settings) func(*cobra.Command) (*desk, error) {
	connect := addRemote(c, s)
	return func(c *cobra.Command) (*desk, error) {
		r, err := connect(c)
		if err != nil {
			return nil, err
		}
		cfg, err := s.load(c)
		if err != nil {
			return nil, err
		}
		d := &desk{cfg: cfg, log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))}
		if c.Flag("url").Changed || cfg.NATS.URL == "" && stream.InUse(cfg.DataDir) {
			d.remote = r
		}
		return d, nil
	}
}

// onDesk completes a command that has one piece of work done and shows its result.
// request makes the work's parameters from the arguments.
func onDesk[T any](c *cobra.Command, s *settings, work string, request func(args []string) (url.Values, error), show func(w io.Writer, o output, done *T) error) *cobra.Command {
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		params, err := request(args)
		if err != nil {
			return err
		}
		d, err := open(c)
		if err != nil {
			return err
		}
		var done T
		if err := d.do(c.Context(), work, params, nil, &done, newProgress(c.ErrOrStderr())); err != nil {
			return err
		}
		return show(c.OutOrStdout(), *o, &done)
	}
	return c
}

// callNamed is the request of a command whose arguments are PROVIDER and CALL.
func callNamed(args []string) (url.Values, error) {
	return url.Values{"provider": args[:1], "call": args[1:]}, nil
}

const deskHelp = "Where a callwatch runs on the data directory, or with --url, it does the work; else the store is opened here."

// closeWait is how long a command waits for its store to close.
const closeWait = 10 * time.Second

// do has work done and reads its result into out. The error has the exit code.
func (d *desk) do(ctx context.Context, name string, params url.Values, body io.Reader, out any, bar *progress) error {
	defer bar.end()
	if d.remote != nil {
		return d.remote.work(ctx, name, params, body, out, bar.at)
	}
	a, err := d.open(ctx)
	if err != nil {
		return err
	}
	result, err := a.work(ctx, name, params, body, bar.at)
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer done()
	err = errors.Join(err, a.store.Close(closing))
	var refusal *handlers.Refusal
	switch {
	case errors.As(err, &refusal):
		return problems(err)
	case err != nil:
		return err
	}
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return json.Unmarshal(data, out)
}

// open is callwatch with its store and none of its stages.
func (d *desk) open(ctx context.Context) (*app, error) {
	if _, err := os.Stat(d.cfg.DataDir); err != nil && d.cfg.NATS.URL == "" && !d.fresh {
		return nil, usage(fmt.Errorf("there is no store: %w; give --data-dir, --nats-url or --url", err))
	}
	store, err := stream.Open(ctx, d.cfg.Store(d.log))
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	a := &app{cfg: d.cfg, log: d.log, store: store, metrics: telemetry.New()}
	if err := a.openStore(ctx, new(pipeline.Traffic)); err != nil {
		return nil, errors.Join(err, store.Close(ctx))
	}
	a.maintenance = a.newMaintenance(&pipeline.Stopped{Store: store, Leases: a.leases, Normalize: a.normalize})
	return a, nil
}

// work has a running callwatch do work.
func (r *remote) work(ctx context.Context, name string, params url.Values, body io.Reader, out any, progress func(done, total int64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/api/v1/work/"+url.PathEscape(name)+"?"+params.Encode(), body)
	if err != nil {
		return usage(err)
	}
	answer, err := r.open(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	for lines := json.NewDecoder(io.LimitReader(answer, maxAnswer)); ; {
		var line handlers.WorkLine
		switch err := lines.Decode(&line); {
		case err != nil:
			return fmt.Errorf("read the answer of %s: %w", r.url, err)
		case line.Refused:
			return problems(errors.New(printableLines(line.Error)))
		case line.Error != "":
			return errors.New(printableLines(line.Error))
		case line.Result != nil:
			return json.Unmarshal(line.Result, out)
		}
		progress(line.Done, line.Total)
	}
}
