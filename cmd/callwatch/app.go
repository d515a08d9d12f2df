package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/normalizer"
	"callwatch/notifier"
	"callwatch/rules"
	"callwatch/stream"
)

// maxBody is the largest body taken, in bytes.
const maxBody = 4 << 20

// app is callwatch running: a value that serve, demo and tests start. The data
// path is its stages, in order: handlers store webhooks (RAW), normalize makes
// events of them (EVENTS), judge makes transitions of those (ALERTS), announce
// brings them to Slack; fetch asks the providers for what their webhooks leave out
// and stores it like those. Each stage can be stopped anywhere and goes on from what
// is stored.
type app struct {
	cfg      Config
	dev      bool
	log      *slog.Logger
	store    *stream.Store
	rules    *ruleFile
	roles    *roles
	notifier atomic.Pointer[notifier.Notifier] // the one at work, or the last
	ledger   *stream.Bucket
	server   *handlers.Server
	console  *console // nil outside development
	stats    *stats
	findings findings
	judging  *judging
	erased   atomic.Uint64 // calls that the holders of the judge lease have erased
	history  *history
	failing  failing
	started  time.Time
	traces   *traces // nil: nobody asked for them

	arriving    arriving // webhooks
	normalizing courtesy // towards them; judging has its own
	announcing  notifier.Config
	fetching    *fetching
	working     sync.Mutex // held by work on what is stored: one at a time

	// find looks up a provider; nil is normalizer.Find.
	find     func(name string) (normalizer.Provider, bool)
	mappings sync.Map // those of normalizer.Find by name
}

// mode is how callwatch runs.
type mode string

const (
	serving  mode = "serve"
	devMode  mode = "dev"  // loopback only, unsigned webhooks, console
	demoMode mode = "demo" // dev with traffic of its own
)

// newApp opens everything and takes no webhook yet.
func newApp(ctx context.Context, cfg Config, mode mode, log *slog.Logger) (*app, error) {
	file, set, err := openRules(cfg.Rules, log)
	if err != nil {
		return nil, err
	}
	a := &app{cfg: cfg, dev: mode != serving, log: log, rules: file, roles: newRoles(), stats: newStats()}
	if a.traces, err = newTraces(ctx); err != nil {
		return nil, err
	}
	storing := cfg.storing(log)
	storing.Patience = openPatience
	if a.store, err = stream.Open(ctx, storing); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if a.ledger, err = a.store.Bucket(ctx, "notifier"); err != nil {
		return nil, errors.Join(fmt.Errorf("open the delivery ledger: %w", err), a.store.Close(ctx))
	}
	if a.dev {
		a.console = newConsole(string(mode), a.stats, file)
		file.changed = a.console.refresh
		if cfg.Slack.Token == "" {
			if err := a.useFakeSlack(); err != nil {
				return nil, errors.Join(err, a.store.Close(ctx))
			}
		}
	}
	for _, name := range a.cfg.unknownOutputs(set) {
		log.Warn("the rules name an output that is not configured", "output", name)
	}
	a.announcing = a.cfg.announcing(set)
	a.announcing.Observe = a.sent
	a.notifier.Store(notifier.New(a.announcing, a.ledger, time.Now, log))
	begun := time.Now()
	a.judging = &judging{set: set, opt: rules.Options{Prefer: cfg.MOS, Rate: cfg.folding().Rate, Clock: func() time.Duration { return time.Since(begun) }}}
	file.swap = a.order
	a.stats.registry.MustRegister(file.metrics()...)
	a.history, a.started = newHistory(a), begun.UTC()
	a.stats.registry.MustRegister(a.roles.held)
	if a.fetching, err = a.openFetching(ctx); err != nil {
		return nil, errors.Join(err, a.store.Close(ctx))
	}
	if a.server, err = handlers.Listen(cfg.Listen, a.handling()); err != nil {
		return nil, errors.Join(usage(fmt.Errorf("%sLISTEN: %w", envPrefix, err)), a.store.Close(ctx))
	}
	return a, nil
}

// run works until ctx ends or something fails that cannot be mended here, then
// stops in order: no new webhooks, the stages, the store.
func (a *app) run(ctx context.Context) error {
	a.noteStart(ctx)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var stages sync.WaitGroup
	all := map[string]func(context.Context) error{
		"normalize": a.leading(normalizeRole, a.normalize), "judge": a.judge, "announce": a.leading(announceRole, a.announce),
		"index-events": a.history.indexEvents, "index-incidents": a.history.indexIncidents,
	}
	if a.cfg.Slack.buttons() && a.cfg.Slack.AppToken != "" {
		all["listen"] = a.listen
	}
	all["inspect"] = a.store.Inspect
	if a.cfg.Audit > 0 {
		all["audit"] = a.leading("audit", a.audit)
	}
	maps.Copy(all, a.fetching.stages())
	for name, stage := range all {
		stages.Go(func() {
			keep(work, a.log.With("stage", name), func(ctx context.Context) error {
				begun := time.Now()
				err := stage(ctx)
				if ctx.Err() == nil && !errors.Is(err, stream.ErrConflict) { // another replica works for it
					a.failing.note(name, begun, time.Now(), err)
				}
				return err
			})
		})
	}
	if a.console != nil && a.console.slack != nil {
		stages.Go(func() { a.console.watch(work) })
	}
	stages.Go(func() { a.rules.watch(work) })
	served := make(chan error, 1)
	go func() { served <- a.server.Serve() }()
	taking, end := context.WithCancel(ctx)
	defer end()
	stages.Go(func() { a.tellSystemd(taking) })

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
	stages.Wait()
	if a.console != nil && a.console.slack != nil {
		a.console.slack.close()
	}
	closing, done = context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	return errors.Join(failed, err, a.store.Close(closing), a.traces.close(closing))
}

// keep runs a stage until ctx ends. A stage that fails begins anew from what is
// stored, after a pause that grows while it goes on failing.
func keep(ctx context.Context, log *slog.Logger, stage func(context.Context) error) {
	const shortest, longest = 200 * time.Millisecond, 3 * time.Second
	pause := shortest
	for {
		begun := time.Now()
		err := stage(ctx)
		if ctx.Err() != nil {
			return
		}
		log.Error("stage failed, will begin anew", "err", err, "pause", pause)
		if time.Since(begun) > time.Minute {
			pause = shortest
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}

// storing is the configuration of the store.
func (c *Config) storing(log *slog.Logger) stream.Config {
	return stream.Config{
		Dir: c.DataDir, Listen: c.NATS.Listen, ListenUser: c.NATS.ListenUser, ListenPassword: c.NATS.ListenPassword.Reveal(),
		Durability: stream.Durability(c.Durability),
		URL:        c.NATS.URL, CredsFile: c.NATS.Creds, CAFile: c.NATS.CA, CertFile: c.NATS.Cert, KeyFile: c.NATS.Key, Replicas: c.NATS.Replicas, Log: log,
	}
}

// normalizing is the configuration of the normalizers.
func (c *Config) normalizing() normalizer.Options {
	return normalizer.Options{Prefer: c.MOS, Codecs: c.codecs}
}

// folding is the configuration of the fold.
func (c *Config) folding() call.Folding {
	return call.Folding{Prefer: c.MOS, Rate: normalizer.Rater(c.normalizing())}
}

func providerTitle(name string) string {
	if p, ok := normalizer.Find(name); ok && p.Title != "" {
		return p.Title
	}
	return name
}

// handling is the configuration of the HTTP side.
func (a *app) handling() handlers.Config {
	c := handlers.Config{
		Store: a.keepBody, PublicURL: a.cfg.PublicURL, Dev: a.dev,
		Ready: a.ready, Version: buildVersion(), Metrics: a.metrics(), Observe: a.taken,
		Log: a.log, Limits: handlers.Limits{Body: maxBody},
	}
	c.API, c.Work = a.api(), a.work
	if clicks := a.clicks(); clicks != nil && a.cfg.Slack.SigningSecret != "" {
		c.Interactions = clicks.Interactions
	}
	if a.console != nil {
		c.Console = a.console
		if a.console.slack != nil {
			c.Press = a.press
		}
	}
	for _, p := range normalizer.Providers() {
		c.Providers = append(c.Providers, handlers.Provider{Provider: p, Keys: a.cfg.keys(p)})
	}
	return c
}
