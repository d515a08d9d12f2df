package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"callwatch"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/handlers/slackpreview"
	"callwatch/pipeline"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/query"
	"callwatch/pipeline/readmodel"
	"callwatch/pipeline/rulefile"
	"callwatch/pipeline/telemetry"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// maxBody is the size of the largest webhook body that is accepted, in bytes.
const maxBody = 4 << 20

// openPatience is how long callwatch waits at its start for a NATS cluster that is
// still starting.
const openPatience = time.Minute

// app is callwatch running: the stages of package pipeline, wired to the store, the
// HTTP side and the metrics. serve, demo and tests start it.
type app struct {
	cfg     config.Config
	dev     bool
	log     *slog.Logger
	started time.Time

	store     *stream.Store
	ledger    *stream.Bucket
	rules     *rulefile.File
	server    *handlers.Server
	preview   *slackpreview.Preview   // nil outside development
	slack     *slackpreview.Workspace // nil where a real Slack is configured
	metrics   *telemetry.Metrics
	traces    *telemetry.Traces // nil: OpenTelemetry is not configured
	damage    *pipeline.Damage
	senders   senders
	failures  pipeline.Failures
	elsewhere noted // receivers, on the replica that announces

	leases      *pipeline.Leases
	ingest      *pipeline.Ingest
	erased      *pipeline.Tombstones
	normalize   *pipeline.Normalize
	judge       *pipeline.Judge
	announce    *pipeline.Announce
	fetch       *pipeline.Fetch
	audit       *pipeline.Audit
	query       *query.Reader
	model       *readmodel.Model // nil: it is switched off
	maintenance *maintenance.Maintenance
}

// mode is how callwatch runs.
type mode string

const (
	serving  mode = "serve"
	devMode  mode = "dev"  // loopback only, unsigned webhooks, console
	demoMode mode = "demo" // dev with traffic of its own
)

// newApp opens everything and takes no webhook yet.
func newApp(ctx context.Context, cfg config.Config, mode mode, log *slog.Logger) (*app, error) {
	a := &app{cfg: cfg, dev: mode != serving, log: log, started: time.Now().UTC(), metrics: telemetry.New()}
	var err error
	var set *rules.Set
	if a.rules, set, err = rulefile.Open(a.rulesFrom()); err != nil {
		return nil, usage(err)
	}
	if a.traces, err = telemetry.NewTraces(ctx, buildVersion().Version); err != nil {
		if errors.Is(err, telemetry.ErrSetting) {
			err = usage(err)
		}
		return nil, err
	}
	storing := cfg.Store(log)
	storing.Patience = openPatience
	if a.store, err = stream.Open(ctx, storing); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if err := a.wire(ctx, mode, set); err != nil {
		return nil, errors.Join(err, a.store.Close(ctx))
	}
	return a, nil
}

// wire makes the stages and the HTTP side.
func (a *app) wire(ctx context.Context, mode mode, set *rules.Set) (err error) {
	if a.ledger, err = a.store.Bucket(ctx, "notifier"); err != nil {
		return fmt.Errorf("open the delivery ledger: %w", err)
	}
	if a.dev {
		if err := a.showPreview(mode); err != nil {
			return err
		}
	}
	for _, name := range a.cfg.UnknownOutputs(set) {
		a.log.Warn("the rules name an output that is not configured", "output", name)
	}
	var traffic pipeline.Traffic
	if err := a.openStore(ctx, &traffic); err != nil {
		return err
	}
	a.ingest = pipeline.NewIngest(pipeline.IngestConfig{
		Store: a.store, Traffic: &traffic, Again: a.metrics.Replayed, Erased: a.erased, Events: a.normalize.Events, Late: a.metrics.Late,
	})
	begun := time.Now()
	a.judge = pipeline.NewJudge(pipeline.JudgeConfig{
		Store: a.store, Leases: a.leases, Traffic: &traffic, Log: a.log,
		Rules: set, Engine: engine.Options{Prefer: a.cfg.MOS, Rate: a.cfg.Folding().Rate, Clock: func() time.Duration { return time.Since(begun) }},
		Judged: a.judged, Stored: a.metrics.Transition, Erased: a.erased,
	})
	notifying := a.cfg.Notifier(set)
	notifying.Observe = a.traces.Sent
	a.announce = pipeline.NewAnnounce(pipeline.AnnounceConfig{
		Store: a.store, Leases: a.leases, Ledger: a.ledger, Log: a.log,
		Notifier: notifying, Now: a.cfg.Clock, Changed: a.incidentChanged, Share: a.noteReceivers,
	})
	if a.fetch, err = pipeline.NewFetch(ctx, a.fetching()); err != nil {
		return err
	}
	a.store.Guard(a.processed)
	a.audit = pipeline.NewAudit(a.store, a.cfg.Audit, a.damage)
	a.query = query.New(query.Config{
		Store: a.store, Fold: a.cfg.Folding(), Rules: a.judge.Rules, Engine: a.judge.Look, Notifier: a.announce.Notifier,
		Workspace: a.cfg.Workspace, Log: a.log,
	})
	if !a.cfg.ReadModel.Off {
		a.model = readmodel.New(readmodel.Config{
			Path: a.cfg.ModelFile(), Store: a.store, Fold: a.cfg.Folding(), Rules: a.judge.Rules, Log: a.log, Pause: traffic.Yield,
		})
	}
	a.maintenance = a.newMaintenance(&pipeline.Running{Store: a.store, Leases: a.leases, Normalize: a.normalize, Judge: a.judge})
	if a.server, err = handlers.Listen(a.cfg.Listen, a.handling()); err != nil {
		return usage(fmt.Errorf("%sLISTEN: %w", config.Prefix, err))
	}
	return nil
}

// openStore makes what works on an open store without stages that run.
func (a *app) openStore(ctx context.Context, traffic *pipeline.Traffic) (err error) {
	if a.erased, err = pipeline.OpenTombstones(ctx, a.store, a.cfg.Retention.Longest()); err != nil {
		return err
	}
	a.damage = pipeline.NewDamage(a.log)
	a.metrics.Damage(a.damage)
	a.leases = pipeline.NewLeases(a.store, a.metrics.Lease)
	a.normalize = pipeline.NewNormalize(pipeline.NormalizeConfig{
		Providers: a.cfg.Registry,
		Store:     a.store, Leases: a.leases, Traffic: traffic, Damage: a.damage, Log: a.log,
		Find: a.cfg.Normalizers(), Normalized: a.normalized, Published: a.metrics.Published, Erased: a.erased, Late: a.metrics.Late,
	})
	return nil
}

// keptEvents are the events before the last one judged that are not removed for lack
// of space: the state of the rules is made again from the last checkpoint on.
const keptEvents = 100_000

// processed is how far all stages have come.
func (a *app) processed() stream.Watermarks {
	events := a.judge.Watermark()
	if len(a.fetch.Status()) > 0 {
		events = min(events, a.fetch.Watermark())
	}
	return stream.Watermarks{Raw: a.normalize.Watermark(), Events: events - min(events, keptEvents)}
}

// fetching is the configuration of the fetching stage.
func (a *app) fetching() pipeline.FetchConfig {
	c := pipeline.FetchConfig{
		Store: a.store, Leases: a.leases, GiveUp: a.cfg.FetchFor, Sweep: a.cfg.Sweep, Log: a.log,
		Ingest: a.ingest.Append, Events: a.normalize.Events, Erased: a.erased, Known: a.judge.Call, Observe: a.metrics,
		Normalized: func() bool { return a.backlog()[pipeline.NormalizeLease] == 0 },
	}
	for _, p := range a.cfg.Registry {
		if a.cfg.Fetches(p) {
			c.APIs = append(c.APIs, pipeline.FetchAPI{Provider: p, Keys: a.cfg.Keys(p), Pace: a.cfg.Pace})
		}
	}
	return c
}

func (a *app) newMaintenance(stages maintenance.Stages) *maintenance.Maintenance {
	var model maintenance.Eraser = readmodel.File{Path: a.cfg.ModelFile()}
	if a.model != nil {
		model = a.model
	}
	return maintenance.New(maintenance.Config{
		Providers: a.cfg.Registry,
		Store:     a.store, Stages: stages, Events: a.normalize.Events, Keys: a.cfg.Keys, Log: a.log,
		Tombstones: a.erased, Further: []maintenance.Eraser{model},
		Backtest: func() (*rules.Set, backtest.Options, error) {
			plan, err := planBacktest(&a.cfg, "", "")
			if err != nil {
				return nil, backtest.Options{}, err
			}
			return plan.set, plan.options, nil
		},
	})
}

// showPreview shows the page of development. Without a configured Slack callwatch
// announces to one in memory, where everybody may press the buttons.
func (a *app) showPreview(mode mode) (err error) {
	if slack := &a.cfg.Slack; slack.Token == "" {
		if a.slack, err = slackpreview.StartWorkspace(); err != nil {
			return err
		}
		slack.APIURL, slack.Token, slack.Channel, slack.Rate = a.slack.URL, "xoxb-made-up", "#voice-quality", 20
		slack.SigningSecret, slack.AppToken, slack.Groups = config.Secret(a.slack.Secret), "", ""
	}
	a.preview = slackpreview.New(slackpreview.Config{
		Mode: string(mode), Slack: a.slack, Counts: a.metrics.Counts, Notice: func() string { return a.rules.Status().Trouble() },
	})
	return nil
}

// rulesFrom says where the rules come from, and who is told of other ones.
func (a *app) rulesFrom() rulefile.Config {
	return rulefile.Config{
		Path: a.cfg.Rules, Shipped: shippedRules(a.cfg.Rules), Log: a.log, Reloaded: a.metrics.Reloaded,
		Replace: func(ctx context.Context, set *rules.Set) { a.judge.Replace(ctx, set) },
		Changed: func() {
			if a.preview != nil {
				a.preview.Refresh()
			}
		},
	}
}

// shippedRules are used where the default rules file does not exist.
func shippedRules(path string) []byte {
	if path != config.DefaultRules {
		return nil
	}
	return callwatch.Rules
}

// scraped are the states that /metrics reads.
func (a *app) scraped() telemetry.Sources {
	scraped := telemetry.Sources{
		Store: a.store, Judge: a.judge, Announce: a.announce, Fetch: a.fetch, Backlog: a.backlog,
		RulesInForce: func() bool { return !a.rules.Status().Refused() },
	}
	if a.model != nil {
		scraped.ModelBehind = func() uint64 { return a.model.Status().Behind }
	}
	return scraped
}

// backlog is what each stage of this replica has still to work on.
func (a *app) backlog() map[string]uint64 {
	stages := pipeline.Stages{Store: a.store, Leases: a.leases, Normalize: a.normalize, Judge: a.judge, Announce: a.announce, Fetch: a.fetch, Failures: &a.failures}
	return stages.Backlog()
}

// stages are all that runs beside the HTTP side.
func (a *app) stages() map[string]pipeline.Stage {
	all := a.fetch.Stages()
	all[pipeline.NormalizeLease], all[pipeline.JudgeLease], all[pipeline.AnnounceLease] = a.normalize.Run, a.judge.Run, a.announce.Run
	for name, stage := range a.query.Stages() {
		all[name] = stage
	}
	if a.model != nil {
		all["read-model"] = a.model.Run
	}
	if a.cfg.Slack.Buttons() && a.cfg.Slack.AppToken != "" {
		all["listen"] = a.listen
	}
	all["inspect"] = a.store.Inspect
	if !a.store.Alone() {
		all["tombstones"] = a.erased.Run
	}
	if a.cfg.Audit > 0 {
		all["audit"] = a.leases.Under("audit", a.audit.Run)
	}
	return all
}

// run works until ctx ends or something fails that cannot be fixed here, then stops
// in order: no new webhooks, the stages, the store.
func (a *app) run(ctx context.Context) error {
	a.judge.NoteStart(ctx)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var working sync.WaitGroup
	working.Go(func() { pipeline.Run(work, a.log, &a.failures, a.stages()) })
	if a.slack != nil {
		working.Go(func() { a.preview.Watch(work) })
	}
	working.Go(func() { a.rules.Watch(work) })
	served := make(chan error, 1)
	go func() { served <- a.server.Serve() }()
	taking, end := context.WithCancel(ctx)
	defer end()
	working.Go(func() { a.tellSystemd(taking) })

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
		served <- nil
	}
	end()
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	err := a.server.Shutdown(closing)
	done()
	failed = errors.Join(failed, <-served)
	stop()
	working.Wait()
	if a.slack != nil {
		a.slack.Close()
	}
	closing, done = context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	a.judge.NoteStop(closing)
	return errors.Join(failed, err, a.store.Close(closing), a.traces.Close(closing))
}

// handling is the configuration of the HTTP side.
func (a *app) handling() handlers.Config {
	c := handlers.Config{
		Store: a.ingest.Append, Now: a.cfg.Clock, PublicURL: a.cfg.PublicURL, Dev: a.dev,
		Ready: a.ready, Version: buildVersion(), Metrics: a.metrics.Handler(a.scraped()), Observe: a.taken,
		Log: a.log, Limits: handlers.Limits{Body: maxBody},
	}
	c.API, c.Work = a.api(), a.work
	if clicks := a.clicks(); clicks != nil && a.cfg.Slack.SigningSecret != "" {
		c.Interactions = clicks.Interactions
	}
	if a.preview != nil {
		c.Preview = a.preview
		if a.slack != nil {
			c.Press = a.press
		}
	}
	for _, p := range a.cfg.Registry {
		c.Providers = append(c.Providers, handlers.Provider{Provider: p, Keys: a.cfg.Keys(p)})
	}
	return c
}
