// Package telemetry shows what the stages do to operators: metrics for Prometheus
// and traces for OpenTelemetry. It alone imports those libraries.
package telemetry

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"callwatch/pipeline"
	"callwatch/pipeline/stage"
	"callwatch/rules"
	"callwatch/stream"
)

// Metrics counts what the stages do: for /metrics, the console and the summary of a
// demo.
type Metrics struct {
	registry *prometheus.Registry

	webhooks    *prometheus.CounterVec
	webhookTime *prometheus.HistogramVec
	webhookSize prometheus.Histogram
	dead        *prometheus.CounterVec
	passedOver  *prometheus.CounterVec
	replayed    *prometheus.CounterVec
	late        *prometheus.CounterVec
	judgeTime   prometheus.Histogram
	transitions *prometheus.CounterVec
	fetches     *prometheus.CounterVec
	givenUp     *prometheus.CounterVec
	sweeps      *prometheus.CounterVec
	swept       *prometheus.CounterVec
	held        *prometheus.GaugeVec
	reloads     *prometheus.CounterVec

	sources map[Source]bool // in the settings

	accepted  atomic.Int64
	events    atomic.Int64
	incidents atomic.Int64
	damaged   atomic.Pointer[pipeline.Damage]
}

// New makes counters that count nothing yet.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_webhooks_total", Help: "Webhook requests by provider and how they ended.",
		}, []string{"provider", "account", "outcome"}),
		webhookTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "callwatch_webhook_duration_seconds", Help: "Time from a webhook's header to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 14),
		}, []string{"provider", "account"}),
		webhookSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "callwatch_webhook_size_bytes", Help: "Size of webhook bodies, inflated.",
			Buckets: prometheus.ExponentialBuckets(256, 4, 8),
		}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_dead_letters_total", Help: "Webhooks that could not be normalized.",
		}, []string{"provider", "account"}),
		late: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_webhooks_erased_total", Help: "Webhooks and reports that are acknowledged and not kept because their call was erased.",
		}, []string{"provider", "account"}),
		replayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_webhooks_replayed_total", Help: "Webhooks that are acknowledged and not stored because the same request was stored before.",
		}, []string{"provider", "account"}),
		passedOver: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_webhooks_ignored_total", Help: "Webhooks of a kind that is acknowledged and ignored.",
		}, []string{"provider", "account"}),
		judgeTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "callwatch_judge_duration_seconds", Help: "Time to fold one event and judge it by all rules.",
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 10),
		}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_transitions_total", Help: "Transitions of incidents by rule and step.",
		}, []string{"rule", "step"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_fetches_total", Help: "Requests to providers for reports and lists of calls, by how they ended.",
		}, []string{"provider", "account", "outcome"}),
		givenUp: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_fetches_given_up_total", Help: "Reports that were not to be had in time.",
		}, []string{"provider", "account"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_sweeps_total", Help: "Looks for calls whose webhooks were lost, by how they ended.",
		}, []string{"provider", "account", "outcome"}),
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_sweep_found_total", Help: "Calls whose webhooks were lost and that a sweep found.",
		}, []string{"provider", "account"}),
	}
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "callwatch_rules_reloads_total", Help: "Readings of the rules file after the start, by how they ended: loaded, unchanged, refused.",
	}, []string{"outcome"})
	m.held = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "callwatch_stage_held", Help: "1 where this replica works for the stage, 0 where another one does.",
	}, []string{"stage"})
	for _, stage := range []string{stage.NormalizeLease, stage.JudgeLease, stage.AnnounceLease} {
		m.held.WithLabelValues(stage).Set(0)
	}
	m.registry.MustRegister(m.held, m.reloads, m.webhooks, m.webhookTime, m.webhookSize, m.dead, m.passedOver, m.replayed, m.late, m.judgeTime, m.transitions,
		m.fetches, m.givenUp, m.sweeps, m.swept,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "callwatch_events_total", Help: "Normalized events published.",
		}, func() float64 { return float64(m.events.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "callwatch_damaged_total", Help: "Stored frames and events that could not be read.",
		}, func() float64 {
			if d := m.damaged.Load(); d != nil {
				return float64(d.Total())
			}
			return 0
		}),
	)
	return m
}

// Source is an account of a provider, "" for the provider's own settings.
type Source struct{ Provider, Account string }

// Expected are values of labels that are known from the start.
type Expected struct {
	Sources, Fetching []Source // the latter have reports that are fetched
	Outcomes, Fetched []string // of webhooks and of fetches
}

// unknown is a provider or an account that is not in the settings.
const unknown = "unknown"

// Expect makes the counters of known labels, each at 0: of a counter that begins at 1
// nobody sees that it has grown. It is called before anything is counted.
func (m *Metrics) Expect(e Expected) {
	m.sources = map[Source]bool{}
	for _, of := range e.Sources {
		m.sources[of] = true
	}
	for _, of := range append(slices.Clone(e.Sources), Source{Provider: unknown}) {
		for _, outcome := range e.Outcomes {
			m.webhooks.WithLabelValues(of.Provider, of.Account, outcome)
		}
	}
	for _, of := range e.Sources {
		for _, c := range []*prometheus.CounterVec{m.dead, m.passedOver, m.replayed, m.late} {
			c.WithLabelValues(of.Provider, of.Account)
		}
	}
	for _, of := range e.Fetching {
		for _, outcome := range e.Fetched {
			m.fetches.WithLabelValues(of.Provider, of.Account, outcome)
		}
		m.givenUp.WithLabelValues(of.Provider, of.Account)
		m.sweeps.WithLabelValues(of.Provider, of.Account, "ok")
		m.sweeps.WithLabelValues(of.Provider, of.Account, "failed")
		m.swept.WithLabelValues(of.Provider, of.Account)
	}
	for _, outcome := range []string{"loaded", "unchanged", "refused"} {
		m.reloads.WithLabelValues(outcome)
	}
}

// ExpectRules makes the counters of these rules.
func (m *Metrics) ExpectRules(set *rules.Set) {
	for i := range set.Rules {
		for _, step := range rules.Steps() {
			m.transitions.WithLabelValues(set.Rules[i].Name, string(step))
		}
	}
}

// Webhook is the end of one webhook request.
type Webhook struct {
	ID       string // of the stored body; "" if none was stored
	Provider string
	Account  string
	Outcome  string
	Accepted bool
	Took     time.Duration
	Bytes    int
	Parent   string // the traceparent of the request, as the sender wrote it
}

// account is the label of an account. Stored bodies may be of accounts that the settings
// no longer have: however many there were, they share one label.
func (m *Metrics) account(provider, account string) string {
	if account == "" || m.sources[Source{provider, account}] {
		return account
	}
	return unknown
}

// Webhook counts a webhook request.
func (m *Metrics) Webhook(w Webhook) {
	account := m.account(w.Provider, w.Account)
	m.webhooks.WithLabelValues(w.Provider, account, w.Outcome).Inc()
	m.webhookTime.WithLabelValues(w.Provider, account).Observe(w.Took.Seconds())
	m.webhookSize.Observe(float64(w.Bytes))
	if w.Accepted {
		m.accepted.Add(1)
	}
}

// Normalized counts a body that became a dead letter or is ignored.
func (m *Metrics) Normalized(r *stream.Record, events int, err error) {
	switch {
	case err != nil:
		m.dead.WithLabelValues(r.Provider, m.account(r.Provider, r.Account)).Inc()
	case events == 0 && r.CountsAt.IsZero():
		m.passedOver.WithLabelValues(r.Provider, m.account(r.Provider, r.Account)).Inc()
	}
}

// Published counts stored events.
func (m *Metrics) Published(events int) { m.events.Add(int64(events)) }

// Judged counts a judged event.
func (m *Metrics) Judged(took time.Duration) { m.judgeTime.Observe(took.Seconds()) }

// Late counts a body that was not kept because its call was erased.
func (m *Metrics) Late(provider, account string) {
	m.late.WithLabelValues(provider, m.account(provider, account)).Inc()
}

// Replayed counts a webhook that was stored before.
func (m *Metrics) Replayed(provider, account string) {
	m.replayed.WithLabelValues(provider, m.account(provider, account)).Inc()
}

// Transition counts a stored transition.
func (m *Metrics) Transition(t rules.Transition) {
	m.transitions.WithLabelValues(t.Incident.Rule, string(t.Step)).Inc()
	if t.Step == rules.StepOpened {
		m.incidents.Add(1)
	}
}

// Lease notes that this replica takes a lease or gives it back.
func (m *Metrics) Lease(name string, held bool) {
	value := 0.0
	if held {
		value = 1
	}
	m.held.WithLabelValues(name).Set(value)
}

// Reloaded counts a reading of the rules file.
func (m *Metrics) Reloaded(outcome string) { m.reloads.WithLabelValues(outcome).Inc() }

// Fetched counts a request to a provider.
func (m *Metrics) Fetched(provider, account, outcome string) {
	m.fetches.WithLabelValues(provider, account, outcome).Inc()
}

// GivenUp counts a report that was not available in time.
func (m *Metrics) GivenUp(provider, account string) {
	m.givenUp.WithLabelValues(provider, account).Inc()
}

// Swept counts a sweep and the calls that it found.
func (m *Metrics) Swept(provider, account, outcome string, found int) {
	m.sweeps.WithLabelValues(provider, account, outcome).Inc()
	m.swept.WithLabelValues(provider, account).Add(float64(found))
}

// Damage counts what is stored and cannot be read.
func (m *Metrics) Damage(d *pipeline.Damage) { m.damaged.Store(d) }

// Registry has all metrics.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Counts are webhooks, events and incidents since the start.
func (m *Metrics) Counts() (webhooks, events, incidents int64) {
	return m.accepted.Load(), m.events.Load(), m.incidents.Load()
}
