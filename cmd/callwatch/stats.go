package main

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"callwatch/handlers"
	"callwatch/rules"
)

// stats counts what the stages do: for /metrics, the console and the summary of
// a demo.
type stats struct {
	registry *prometheus.Registry

	webhooks    *prometheus.CounterVec
	webhookTime *prometheus.HistogramVec
	webhookSize prometheus.Histogram
	dead        *prometheus.CounterVec
	passedOver  *prometheus.CounterVec
	judgeTime   prometheus.Histogram
	transitions *prometheus.CounterVec
	fetches     *prometheus.CounterVec
	givenUp     *prometheus.CounterVec
	sweeps      *prometheus.CounterVec
	swept       *prometheus.CounterVec

	accepted  atomic.Int64
	events    atomic.Int64
	incidents atomic.Int64
	damaged   atomic.Int64

	normalizedSeq atomic.Uint64 // frame of RAW
	judgedSeq     atomic.Uint64 // event or tick
	announcedSeq  atomic.Uint64 // transition, at the start of the stage
}

func newStats() *stats {
	s := &stats{
		registry: prometheus.NewRegistry(),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_webhooks_total", Help: "Webhook requests by provider and how they ended.",
		}, []string{"provider", "outcome"}),
		webhookTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "callwatch_webhook_duration_seconds", Help: "Time from a webhook's header to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 14),
		}, []string{"provider"}),
		webhookSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "callwatch_webhook_size_bytes", Help: "Size of webhook bodies, inflated.",
			Buckets: prometheus.ExponentialBuckets(256, 4, 8),
		}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_dead_letters_total", Help: "Webhooks that could not be normalized.",
		}, []string{"provider"}),
		passedOver: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_webhooks_ignored_total", Help: "Webhooks of a kind that is acknowledged and ignored.",
		}, []string{"provider"}),
		judgeTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "callwatch_judge_duration_seconds", Help: "Time to fold one event and judge it by all rules.",
			Buckets: prometheus.ExponentialBuckets(1e-6, 4, 10),
		}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_transitions_total", Help: "Transitions of incidents by rule and step.",
		}, []string{"rule", "step"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_fetches_total", Help: "Requests to providers for reports and lists of calls, by how they ended.",
		}, []string{"provider", "outcome"}),
		givenUp: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_fetches_given_up_total", Help: "Reports that were not to be had in time.",
		}, []string{"provider"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_sweeps_total", Help: "Looks for calls whose webhooks were lost, by how they ended.",
		}, []string{"provider", "outcome"}),
		swept: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callwatch_sweep_found_total", Help: "Calls whose webhooks were lost and that a sweep found.",
		}, []string{"provider"}),
	}
	s.registry.MustRegister(s.webhooks, s.webhookTime, s.webhookSize, s.dead, s.passedOver, s.judgeTime, s.transitions,
		s.fetches, s.givenUp, s.sweeps, s.swept,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "callwatch_events_total", Help: "Normalized events published.",
		}, func() float64 { return float64(s.events.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "callwatch_damaged_total", Help: "Stored frames and events that could not be read.",
		}, func() float64 { return float64(s.damaged.Load()) }),
	)
	return s
}

// webhook takes the end of one webhook request.
func (s *stats) webhook(o handlers.Observation) {
	s.webhooks.WithLabelValues(o.Provider, string(o.Outcome)).Inc()
	s.webhookTime.WithLabelValues(o.Provider).Observe(o.Took.Seconds())
	s.webhookSize.Observe(float64(o.Bytes))
	if o.Outcome == handlers.Accepted || o.Outcome == handlers.Unverified {
		s.accepted.Add(1)
	}
}

func (s *stats) normalized(frame uint64, events int) {
	s.events.Add(int64(events))
	s.normalizedSeq.Store(frame)
}

func (s *stats) deadLetter(provider string) { s.dead.WithLabelValues(provider).Inc() }
func (s *stats) ignored(provider string)    { s.passedOver.WithLabelValues(provider).Inc() }

func (s *stats) judged(tick bool, took time.Duration, seq uint64) {
	if !tick {
		s.judgeTime.Observe(took.Seconds())
	}
	s.judgedSeq.Store(seq)
}

func (s *stats) transition(t rules.Transition) {
	s.transitions.WithLabelValues(t.Incident.Rule, string(t.Step)).Inc()
	if t.Step == rules.StepOpened {
		s.incidents.Add(1)
	}
}

// metrics serves the counters, and what the rules and the notifier tell when asked.
func (a *app) metrics() http.Handler {
	a.stats.registry.MustRegister(&liveCollector{a})
	return promhttp.HandlerFor(a.stats.registry, promhttp.HandlerOpts{})
}

// liveCollector reads states that are kept elsewhere at the time of the scrape.
type liveCollector struct{ a *app }

type desc = prometheus.Desc

func ruleCallsDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_calls", "Calls by rule and outcome, since the rule's state began.", []string{"rule", "outcome"}, nil)
}

func leftOutDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_left_out_total", "Calls that a rule left out because it has as many keys as max_keys allows.", []string{"rule"}, nil)
}

func ruleErrorsDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_errors_total", "Run-time errors by rule.", []string{"rule"}, nil)
}

func disabledDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_disabled", "1 where the rule was too slow and is disabled until the rules file changes.", []string{"rule"}, nil)
}

func openDesc() *desc {
	return prometheus.NewDesc("callwatch_incidents_open", "Open incidents by rule.", []string{"rule"}, nil)
}

func callsDesc() *desc {
	return prometheus.NewDesc("callwatch_calls_kept", "Calls the rule engine keeps.", nil, nil)
}

func pendingDesc() *desc {
	return prometheus.NewDesc("callwatch_notifications_pending", "Incidents whose messages are not what they should be yet, by channel.", []string{"channel"}, nil)
}

func notifiedDesc() *desc {
	return prometheus.NewDesc("callwatch_notifications_total", "Messages by channel: posted, edited, given up (parked), and answers that there are too many (limited).", []string{"channel", "what"}, nil)
}

func backlogDesc() *desc {
	return prometheus.NewDesc("callwatch_backlog_messages", "Stored messages that a stage has still to work on: frames of webhooks to normalize, events to judge, transitions to announce, events to look at for a report to fetch.", []string{"stage"}, nil)
}

func brokenDesc() *desc {
	return prometheus.NewDesc("callwatch_receiver_broken", "1 where the channel takes nothing from us.", []string{"channel"}, nil)
}

func degradedDesc() *desc {
	return prometheus.NewDesc("callwatch_receiver_degraded", "1 where alerts do not reach the receiver: it is broken, two attempts in a row failed, or nothing was delivered for a minute.", []string{"channel"}, nil)
}

func fetchPendingDesc() *desc {
	return prometheus.NewDesc("callwatch_fetches_pending", "Requests for reports that wait for their next attempt.", []string{"provider"}, nil)
}

func fetchBrokenDesc() *desc {
	return prometheus.NewDesc("callwatch_fetch_broken", "1 where the provider refuses the credentials or does not answer.", []string{"provider"}, nil)
}

func callsHeldDesc() *desc {
	return prometheus.NewDesc("callwatch_calls_held", "Calls of a provider without signatures that cannot end because its API cannot be asked.", []string{"provider"}, nil)
}

func foreignDesc() *desc {
	return prometheus.NewDesc("callwatch_foreign_messages_total", "Messages in the store that callwatch did not publish and skips, by stream.", []string{"stream"}, nil)
}

// Describe names the metrics.
func (l *liveCollector) Describe(ch chan<- *desc) {
	for _, d := range []*desc{ruleCallsDesc(), ruleErrorsDesc(), leftOutDesc(), disabledDesc(), openDesc(), callsDesc(), pendingDesc(), notifiedDesc(), brokenDesc(), degradedDesc(), backlogDesc(), fetchPendingDesc(), fetchBrokenDesc(), callsHeldDesc(), foreignDesc()} {
		ch <- d
	}
}

// Collect reads them.
func (l *liveCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	var health []rules.Health
	calls := 0
	l.a.judging.look(func(g *rules.Engine) { health, calls = g.Healths(), g.Calls() })
	for _, h := range health {
		gauge(ruleCallsDesc(), float64(h.Counts.Matched), h.Rule, "matched")
		gauge(ruleCallsDesc(), float64(h.Counts.Judged), h.Rule, "judged")
		gauge(ruleCallsDesc(), float64(h.Counts.Unjudged), h.Rule, "unjudged")
		gauge(openDesc(), float64(h.Open), h.Rule)
		disabled := 0.0
		if h.Disabled {
			disabled = 1
		}
		gauge(disabledDesc(), disabled, h.Rule)
		ch <- prometheus.MustNewConstMetric(leftOutDesc(), prometheus.CounterValue, float64(h.Overflow), h.Rule)
		ch <- prometheus.MustNewConstMetric(ruleErrorsDesc(), prometheus.CounterValue, float64(h.Errors), h.Rule)
	}
	gauge(callsDesc(), float64(calls))
	foreign, _ := l.a.store.Foreign()
	for _, name := range []string{"raw", "events", "alerts", "dead", "tasks", "checkpoints"} {
		foreign[name] += 0 // a counter begins at 0
	}
	for name, n := range foreign {
		ch <- prometheus.MustNewConstMetric(foreignDesc(), prometheus.CounterValue, float64(n), name)
	}
	for stage, n := range l.a.backlog() {
		gauge(backlogDesc(), float64(n), stage)
	}
	for name, s := range l.a.fetching.apis {
		gauge(fetchPendingDesc(), float64(s.pending.Load()), name)
		broken, held := 0.0, 0.0
		if s.trouble() != "" {
			broken, held = 1, float64(s.held())
		}
		gauge(fetchBrokenDesc(), broken, name)
		if s.provider.Unsigned {
			gauge(callsHeldDesc(), held, name)
		}
	}
	for _, c := range l.a.notifier.Load().Status().Channels {
		gauge(pendingDesc(), float64(c.Pending), c.Channel)
		for what, n := range map[string]int{"posted": c.Posted, "edited": c.Edited, "limited": c.Limited, "parked": c.Parked} {
			ch <- prometheus.MustNewConstMetric(notifiedDesc(), prometheus.CounterValue, float64(n), c.Channel, what)
		}
		broken := 0.0
		if c.Broken {
			broken = 1
		}
		gauge(brokenDesc(), broken, c.Channel)
		degraded := 0.0
		if c.Degraded {
			degraded = 1
		}
		gauge(degradedDesc(), degraded, c.Channel)
	}
}
