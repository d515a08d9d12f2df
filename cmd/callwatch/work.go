package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/handlers/access"
	"callwatch/pipeline"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/telemetry"
	"callwatch/stream"
)

// workRoles are the names of work on what is stored, with the role that each needs over
// the API.
func workRoles() map[string]access.Role {
	return map[string]access.Role{
		"call": access.Viewer, "calls": access.Viewer, "stats": access.Viewer,
		"deadletters": access.Viewer, "deadletter": access.Viewer, "store-size": access.Viewer, "suggest": access.Viewer,
		"deadletters-replay": access.Operator,
		"import":             access.Admin, "import-file": access.Admin, "replay": access.Admin, "store-prune": access.Admin, "erase": access.Admin,
	}
}

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
	case "suggest":
		return a.suggest(ctx, params, progress)
	}
	done, err := a.maintenance.Do(ctx, name, params, body, progress)
	var refusal *maintenance.Refusal
	if errors.As(err, &refusal) || errors.Is(err, pipeline.ErrNotLeader) || errors.Is(err, pipeline.ErrInUse) {
		err = &handlers.Refusal{Err: err}
	}
	return done, err
}

// workplace is where a command has work done: in this process, on the store of a
// callwatch that is stopped or on a NATS server; or by a running callwatch.
type workplace struct {
	cfg    config.Config
	log    *slog.Logger
	remote *cli.Remote // nil: in this process
	fresh  bool        // a store may be made where there is none
}

// addWorkplace gives a command the flag that says which running callwatch has it done.
func addWorkplace(c *cobra.Command, s *cli.Settings) func(*cobra.Command) (*workplace, error) {
	cli.AddURL(c)
	return func(c *cobra.Command) (*workplace, error) {
		cfg, err := s.Load(c)
		if err != nil {
			return nil, err
		}
		d := &workplace{cfg: cfg, log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))}
		d.remote, err = s.Place(c, &cfg)
		return d, err
	}
}

// workCommand completes a command that has one piece of work done and shows its result.
// request makes the work's parameters from the arguments.
func workCommand[T any](c *cobra.Command, s *cli.Settings, work string, request func(args []string) (url.Values, error), show func(w io.Writer, o cli.Output, done *T) error) *cobra.Command {
	o, open := cli.AddOutput(c), addWorkplace(c, s)
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
		if err := d.do(c.Context(), work, params, nil, &done, cli.NewProgress(c.ErrOrStderr())); err != nil {
			return err
		}
		return show(c.OutOrStdout(), *o, &done)
	}
	return c
}

const workHelp = "The callwatch at --url or CALLWATCH_URL does the work, or the one that runs on the data directory; else the store is opened here."

// closeWait is how long a command waits for its store to close.
const closeWait = 10 * time.Second

// do has work done and reads its result into out. The error has the exit code.
func (d *workplace) do(ctx context.Context, name string, params url.Values, body io.Reader, out any, bar *cli.Progress) error {
	defer bar.End()
	if d.remote != nil {
		return d.remote.Work(ctx, name, params, body, out, bar.At)
	}
	a, err := d.open(ctx)
	if err != nil {
		return err
	}
	result, err := a.work(ctx, name, params, body, bar.At)
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer done()
	err = errors.Join(err, a.store.Close(closing))
	var refusal *handlers.Refusal
	switch {
	case errors.As(err, &refusal):
		return cli.Problems(err)
	case err != nil:
		return err
	}
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return json.Unmarshal(data, out)
}

// storeThere refuses a data directory that does not exist: nothing is stored there.
func storeThere(cfg *config.Config) error {
	if _, err := os.Stat(cfg.DataDir); err != nil && cfg.NATS.URL == "" {
		return cli.Usage(fmt.Errorf("there is no store: %w; give --data-dir, --nats-url or --url", err))
	}
	return nil
}

// open is callwatch with its store and none of its stages.
func (d *workplace) open(ctx context.Context) (*app, error) {
	if err := storeThere(&d.cfg); err != nil && !d.fresh {
		return nil, err
	}
	store, err := stream.Open(ctx, d.cfg.Store(d.log))
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	a := &app{cfg: d.cfg, log: d.log, store: store, metrics: telemetry.New()}
	if err := a.openStore(ctx, new(stage.Traffic)); err != nil {
		return nil, errors.Join(err, store.Close(ctx))
	}
	a.maintenance = a.newMaintenance(&pipeline.Stopped{Store: store, Leases: a.leases, Normalize: a.normalize})
	return a, nil
}
