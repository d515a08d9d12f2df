package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/cmd/callwatch/internal/rulescmd"
	"callwatch/handlers"
	"callwatch/handlers/slackpreview"
	"callwatch/normalizer"
	"callwatch/pipeline"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/fetching"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/query"
	"callwatch/pipeline/readmodel"
	"callwatch/pipeline/rulefile"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/telemetry"
	"callwatch/pipeline/tombstone"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// closeTime bounds each step of a stop.
const closeTime = 10 * time.Second

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
	turns     query.Turns
	server    *handlers.Server
	preview   *slackpreview.Preview   // nil outside development
	slack     *slackpreview.Workspace // nil where a real Slack is configured
	metrics   *telemetry.Metrics
	traces    *telemetry.Traces // nil: OpenTelemetry is not configured
	traffic   stage.Traffic
	recent    eventlog.Recent
	served    chan error // of server, when it ends
	answering sync.Once
	damage    *pipeline.Damage
	senders   senders
	failures  stage.Failures
	elsewhere noted // receivers, on the replica that announces

	leases      *stage.Leases
	ingest      *pipeline.Ingest
	erased      *tombstone.Set
	normalize   *pipeline.Normalize
	judge       *pipeline.Judge
	announce    *pipeline.Announce
	fetch       *fetching.Fetch
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
	a := &app{cfg: cfg, turns: query.NewTurns(), dev: mode != serving, log: log, started: time.Now().UTC(), metrics: telemetry.New()}
	var err error
	var set *rules.Set
	if a.rules, set, err = rulefile.Open(a.rulesFrom()); err != nil {
		return nil, cli.Usage(err)
	}
	a.expect()
	a.metrics.ExpectRules(set)
	if a.traces, err = telemetry.NewTraces(ctx, buildVersion().Version); err != nil {
		if errors.Is(err, telemetry.ErrSetting) {
			err = cli.Usage(err)
		}
		return nil, err
	}
	storing := cfg.Store(log)
	storing.Patience = openPatience
	stage.Profiled(ctx, "store", func(context.Context) { a.store, err = stream.Begin(storing) })
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if err := a.serveStarting(ctx); err != nil {
		return nil, errors.Join(err, a.store.Close(ctx))
	}
	stage.Profiled(ctx, "store", func(ctx context.Context) { err = a.store.OpenStreams(ctx) })
	if err != nil {
		err = fmt.Errorf("open the store: %w", err)
	} else {
		err = a.wire(ctx, mode, set)
	}
	if err != nil {
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer done()
		return nil, errors.Join(err, a.server.Shutdown(closing), a.store.Close(closing))
	}
	return a, nil
}

// answer has the HTTP side answer everything.
func (a *app) answer() { a.answering.Do(func() { a.server.Use(a.handling()) }) }

// serveStarting takes webhooks while the store is being opened.
func (a *app) serveStarting(ctx context.Context) (err error) {
	a.ingest = pipeline.NewIngest(pipeline.IngestConfig{Store: a.store, Traffic: &a.traffic, Again: a.metrics.Replayed, Late: a.metrics.Late})
	c := a.taking()
	c.Starting = true
	c.Ready = func(context.Context) handlers.Readiness {
		return handlers.Readiness{Starting: true, Checks: []handlers.Check{{Name: "store", State: handlers.Failing, Cause: "starting: opening the store"}}}
	}
	if a.server, err = handlers.Listen(a.cfg.Listen, c); err != nil {
		err = fmt.Errorf("%sLISTEN: %w", config.Prefix, err)
		if errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		return cli.Usage(err)
	}
	a.served = make(chan error, 1)
	go stage.Profiled(ctx, "ingest", func(context.Context) { a.served <- a.server.Serve() })
	return nil
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
	for _, channel := range a.cfg.UnknownChannels(set) {
		a.log.Warn("the rules name a channel in a Slack workspace that is not configured", "channel", channel)
	}
	if err := a.openStore(ctx, &a.traffic); err != nil {
		return err
	}
	a.ingest.Erased(a.erased, a.normalize.Events)
	a.judge = pipeline.NewJudge(pipeline.JudgeConfig{
		Store: a.store, Leases: a.leases, Traffic: &a.traffic, Log: a.log,
		Rules: set, Engine: engine.Options{Prefer: a.cfg.MOS, Rate: a.cfg.Folding().Rate},
		Judged: a.judged, Stored: a.metrics.Transition, Erased: a.erased, Recent: &a.recent,
	})
	notifying := a.cfg.Notifier()
	notifying.Observe = a.traces.Sent
	notifying.Storm = func(channel string) rules.Storm { return a.judge.Rules().Storm(channel) }
	a.announce = pipeline.NewAnnounce(pipeline.AnnounceConfig{
		Store: a.store, Leases: a.leases, Ledger: a.ledger, Log: a.log,
		Notifier: notifying, Now: a.cfg.Clock, Changed: a.incidentChanged, Share: a.noteReceivers,
	})
	if a.fetch, err = fetching.New(ctx, a.fetching()); err != nil {
		return err
	}
	a.store.Guard(a.processed)
	a.audit = pipeline.NewAudit(a.store, a.cfg.Audit, a.damage)
	a.query = query.New(query.Config{
		Store: a.store, Fold: a.cfg.Folding(), Rules: a.judge.Rules, Engine: a.judge.Look, Turns: a.turns, Notifier: a.announce.Notifier, Undelivered: a.undelivered,
		Workspace: a.cfg.WorkspaceURL, Log: a.log,
	})
	if !a.cfg.ReadModel.Off {
		a.model = readmodel.New(readmodel.Config{
			Path: a.cfg.ModelFile(), Store: a.store, Fold: a.cfg.Folding(), Rules: a.judge.Rules, Recent: &a.recent, Log: a.log, Pause: a.traffic.Share(a.unjudged).Pause,
		})
	}
	a.maintenance = a.newMaintenance(&pipeline.Running{Store: a.store, Leases: a.leases, Normalize: a.normalize, Judge: a.judge})
	return nil
}

// openStore makes what works on an open store without stages that run.
func (a *app) openStore(ctx context.Context, traffic *stage.Traffic) (err error) {
	if a.erased, err = tombstone.Open(ctx, a.store, a.cfg.Retention.Longest()); err != nil {
		return err
	}
	a.damage = pipeline.NewDamage(a.log)
	a.metrics.Damage(a.damage)
	a.leases = stage.NewLeases(a.store, a.metrics.Lease)
	a.normalize = pipeline.NewNormalize(pipeline.NormalizeConfig{
		Providers: a.cfg.Registry,
		Store:     a.store, Leases: a.leases, Traffic: traffic, Damage: a.damage, Log: a.log,
		Find: a.cfg.Normalizers(), Normalized: a.normalized, Published: a.metrics.Published, Erased: a.erased, Late: a.metrics.Late, Recent: &a.recent,
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
func (a *app) fetching() fetching.Config {
	c := fetching.Config{
		Store: a.store, Leases: a.leases, GiveUp: a.cfg.FetchFor, Sweep: a.cfg.Sweep, Log: a.log,
		Ingest: a.ingest.Append, Events: a.normalize.Events, Erased: a.erased, Known: a.judge.Call, Observe: a.metrics,
		Normalized: func() bool { return a.backlog()[stage.NormalizeLease] == 0 },
	}
	for _, of := range a.cfg.Sources() {
		if a.cfg.Fetches(of) {
			c.APIs = append(c.APIs, fetching.API{Provider: of.Provider, Account: of.Account, Keys: a.cfg.KeysOf(of), Pace: a.cfg.Pace})
		}
	}
	return c
}

// keysOf are the settings of an account; false if there is none of that name.
func (a *app) keysOf(p normalizer.Provider, account string) (normalizer.Keys, bool) {
	return a.cfg.KeysOf(config.Source{Provider: p, Account: account}), a.cfg.HasAccount(p.Name, account)
}

func (a *app) newMaintenance(stages maintenance.Stages) *maintenance.Maintenance {
	var model maintenance.Eraser = readmodel.File{Path: a.cfg.ModelFile()}
	if a.model != nil {
		model = a.model
	}
	return maintenance.New(maintenance.Config{
		Providers: a.cfg.Registry,
		Store:     a.store, Stages: stages, Events: a.normalize.Events, Keys: a.keysOf, Log: a.log,
		Tombstones: a.erased, Further: []maintenance.Eraser{model},
		Backtest: func() (*rules.Set, backtest.Options, error) {
			plan, err := rulescmd.PlanBacktest(&a.cfg, "", "")
			if err != nil {
				return nil, backtest.Options{}, err
			}
			return plan.Set, plan.Options, nil
		},
	})
}

// showPreview shows the page of development. Without a configured Slack callwatch
// announces to one in memory, where everybody may press the buttons.
func (a *app) showPreview(mode mode) (err error) {
	if slack := &a.cfg.Slack; len(a.cfg.SlackWorkspaces()) == 0 {
		if a.slack, err = slackpreview.StartWorkspace(); err != nil {
			return err
		}
		slack.APIURL, slack.Token, slack.Channel, slack.Rate = a.slack.URL, "xoxb-fake", "#voice-quality", 20
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
		Path: a.cfg.Rules, Shipped: config.ShippedRules(a.cfg.Rules), Log: a.log, Reloaded: a.metrics.Reloaded, Turn: a.turns.Wait,
		Replace: func(ctx context.Context, set *rules.Set) {
			a.metrics.ExpectRules(set)
			a.judge.Replace(ctx, set)
		},
		Changed: func() {
			if a.preview != nil {
				a.preview.Refresh()
			}
		},
	}
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

// unjudged is how many messages normalizing and judging have still to work on.
func (a *app) unjudged() uint64 {
	b := a.backlog()
	return b[stage.NormalizeLease] + b[stage.JudgeLease]
}

// stages are all that runs beside the HTTP side.
func (a *app) stages() map[string]stage.Func {
	all := a.fetch.Stages()
	all[stage.NormalizeLease], all[stage.JudgeLease], all[stage.AnnounceLease] = a.normalize.Run, a.judge.Run, a.announce.Run
	for name, stage := range a.query.Stages() {
		all[name] = stage
	}
	if a.model != nil {
		all["read-model"] = a.model.Run
	}
	for _, w := range a.cfg.SlackWorkspaces() {
		if w.AppToken != "" {
			all[strings.TrimSuffix("listen-"+w.Name, "-")] = a.listen(&w)
		}
	}
	all["inspect"] = a.store.Inspect
	if len(a.cfg.Declared) > 0 {
		all["declared"] = a.watchDeclared
	}
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
	working.Go(func() { stage.Run(work, a.log, &a.failures, a.stages()) })
	if a.slack != nil {
		working.Go(func() { a.preview.Watch(work) })
	}
	working.Go(func() { a.rules.Watch(work) })
	a.answer()
	taking, end := context.WithCancel(ctx)
	defer end()
	working.Go(func() { a.tellSystemd(taking) })

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-a.served:
		a.served <- nil
	}
	end()
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	err := a.server.Shutdown(closing)
	done()
	failed = errors.Join(failed, <-a.served)
	stop()
	working.Wait()
	if a.slack != nil {
		a.slack.Close()
	}
	closing, done = context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer done()
	a.judge.NoteStop(closing)
	return errors.Join(failed, err, a.store.Close(closing), a.traces.Close(closing))
}

// taking is the configuration of the HTTP side that takes webhooks and nothing else.
func (a *app) taking() handlers.Config {
	c := handlers.Config{
		Store: a.ingest.Append, Test: a.testNormalize, Now: a.cfg.Clock, PublicURL: a.cfg.PublicURL, ConsoleURL: a.cfg.ConsoleURL, Dev: a.dev,
		Access: a.cfg.Access(), Version: buildVersion(), Observe: a.taken, Log: a.log, Limits: handlers.Limits{Body: cli.MaxBody},
	}
	if !a.dev {
		c.TLS = handlers.Certificate{Cert: a.cfg.TLS.Cert, Key: a.cfg.TLS.Key}
	}
	for _, p := range a.cfg.Registry {
		taken := handlers.Provider{Provider: p, Keys: a.cfg.Keys(p)}
		for _, name := range a.cfg.AccountNames(p.Name) {
			taken.Accounts = append(taken.Accounts, handlers.Account{Name: name, Keys: a.cfg.KeysOf(config.Source{Provider: p, Account: name})})
		}
		c.Providers = append(c.Providers, taken)
	}
	return c
}

// handling is the configuration of the whole HTTP side.
func (a *app) handling() handlers.Config {
	c := a.taking()
	c.Ready, c.Metrics = a.ready, a.metrics.Handler(a.scraped())
	c.API, c.Work, c.WorkRoles = a.api(), a.work, workRoles()
	c.Interactions = map[string]handlers.Interactions{}
	for _, w := range a.cfg.SlackWorkspaces() {
		if w.SigningSecret != "" {
			c.Interactions[w.Name] = a.clicks(&w).Interactions
		}
	}
	if a.preview != nil {
		c.Preview = a.preview
		if a.slack != nil {
			c.Press = a.press
		}
	}
	return c
}
