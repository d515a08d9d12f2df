package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"callwatch/handlers"
	"callwatch/stream"
)

// work does one piece of work on what is stored, of those that the commands and
// the API offer by name. Only one changes the store at a time.
func (a *app) work(ctx context.Context, name string, params url.Values, body io.Reader, progress func(done, total int64)) (any, error) {
	switch name {
	case "deadletters":
		return a.deadLetters(ctx, params)
	case "deadletter":
		return a.deadLetterPage(ctx, params.Get("id"))
	case "call":
		return a.callPage(ctx, params)
	}
	do, ok := map[string]func() (any, error){
		"import":      func() (any, error) { return a.importCalls(ctx, params, progress) },
		"import-file": func() (any, error) { return a.importFile(ctx, params, body, progress) },
		"replay":      func() (any, error) { return a.replay(ctx, params, progress) },
		"deadletters-replay": func() (any, error) {
			return replayDeadLetters(ctx, a, params["id"])
		},
		"erase": func() (any, error) { return a.erase(ctx, params, progress) },
	}[name]
	if !ok {
		return nil, refuse("there is no work called %.40q", name)
	}
	if !a.working.TryLock() {
		return nil, refuse("other work on the store is under way: try again when it is done")
	}
	defer a.working.Unlock()
	return do()
}

// refuse is an error that is told to whoever asked.
func refuse(format string, args ...any) error {
	return &handlers.Refusal{Err: fmt.Errorf(format, args...)}
}

const (
	// deskWait is how long work waits for the stages of a running callwatch.
	deskWait = time.Minute
	// backlogWait is how long it waits for webhooks that it need not look at.
	backlogWait = 5 * time.Second
)

// settle sees to it that what was stored up to a frame has become events. Where
// another process normalizes it is left to that.
func (a *app) settle(ctx context.Context, frame uint64) error {
	switch {
	case a.server == nil && !a.store.Alone() && !a.roles.holds(normalizeRole):
		return nil
	case a.server == nil:
		return a.normalizeFrom(ctx, a.store.StoredRecords)
	}
	ctx, stop := context.WithTimeout(ctx, deskWait)
	defer stop()
	for {
		at, err := a.normalized(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && at >= frame {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("normalizing does not come to an end: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// normalizedUpTo is the last frame of which the events are stored for certain.
// What waits is waited for, unless that is long.
func (a *app) normalizedUpTo(ctx context.Context) (uint64, error) {
	switch {
	case a.server != nil:
		soon, stop := context.WithTimeout(ctx, backlogWait)
		defer stop()
		if err := a.settle(soon, a.lastStored(soon)["raw"]); err != nil && soon.Err() == nil {
			return 0, err
		}
		return a.normalized(ctx)
	case a.store.Alone():
		return math.MaxUint64, a.normalizeFrom(ctx, a.store.StoredRecords)
	}
	last, _, _, err := a.store.LastPublished(ctx)
	return last.Seq, err
}

// desk is where a command has work done: in this process, on the store of a
// callwatch that is stopped or on a NATS server; or by a running callwatch.
type desk struct {
	cfg    Config
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

const deskHelp = "Where a callwatch runs on the data directory, or with --url, it does the work; else the store is opened here."

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
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
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
	store, err := stream.Open(ctx, d.cfg.storing(d.log))
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return &app{cfg: d.cfg, log: d.log, store: store, roles: newRoles(), stats: newStats()}, nil
}

// work has a running callwatch do work.
func (r *remote) work(ctx context.Context, name string, params url.Values, body io.Reader, out any, progress func(done, total int64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/api/v1/work/"+url.PathEscape(name)+"?"+params.Encode(), body)
	if err != nil {
		return usage(err)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token.Reveal())
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("callwatch cannot be reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("read the answer of %s: %w", r.url, err)
		}
		return refused(res, answer)
	}
	for lines := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)); ; {
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
