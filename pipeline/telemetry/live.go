package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"callwatch/pipeline"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// Sources are the states that are read at each scrape.
type Sources struct {
	Store    *stream.Store
	Judge    *pipeline.Judge
	Announce *pipeline.Announce
	Fetch    *pipeline.Fetch
	Backlog  func() map[string]uint64
	// ModelBehind is how many stored events the read model does not have yet; nil where
	// there is none.
	ModelBehind func() uint64
	// RulesInForce reports whether the rules in force are those of the rules file.
	RulesInForce func() bool
}

// Handler serves the counters and the states of the sources.
func (m *Metrics) Handler(s Sources) http.Handler {
	m.registry.MustRegister(&liveCollector{s}, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "callwatch_rules_file_in_force", Help: "1 where the rules in force are those of the rules file, 0 where the file has errors.",
	}, func() float64 {
		if s.RulesInForce() {
			return 1
		}
		return 0
	}))
	if s.ModelBehind != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "callwatch_read_model_behind_events", Help: "Stored events that lists of calls and figures do not have yet.",
		}, func() float64 { return float64(s.ModelBehind()) }))
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// liveCollector reads the sources.
type liveCollector struct{ Sources }

type desc = prometheus.Desc

func ruleCallsDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_calls", "Calls by rule and outcome, since the rule's state began.", []string{"rule", "outcome"}, nil)
}

func leftOutDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_left_out_total", "Calls that a rule left out because it has as many keys as max_keys allows.", []string{"rule"}, nil)
}

func unrememberedDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_unremembered_total", "Calls of which a rule about new values could not tell: the key has had as many values as are remembered.", []string{"rule"}, nil)
}

func heldBackDesc() *desc {
	return prometheus.NewDesc("callwatch_rule_held_back_total", "What a rule kept from being announced, by what held it back.", []string{"rule", "by"}, nil)
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

func foreignDesc() *desc {
	return prometheus.NewDesc("callwatch_foreign_messages_total", "Messages in the store that callwatch did not publish and skips, by stream.", []string{"stream"}, nil)
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

func storeBytesDesc() *desc {
	return prometheus.NewDesc("callwatch_store_bytes", "Bytes that the embedded store holds.", nil, nil)
}

func storeLimitDesc() *desc {
	return prometheus.NewDesc("callwatch_store_limit_bytes", "Bytes that the embedded store may hold. At the limit the oldest webhooks are removed.", nil, nil)
}

func storeDaysDesc() *desc {
	return prometheus.NewDesc("callwatch_store_days_left", "Days until the store reaches its limit at its growth. Absent when everything reaches its age before.", nil, nil)
}

func retentionShortDesc() *desc {
	return prometheus.NewDesc("callwatch_retention_short_seconds", "How much less than its configured age a stream is kept because the store reached its limit; 0 where all is kept.", []string{"stream"}, nil)
}

// Describe names the metrics.
func (l *liveCollector) Describe(ch chan<- *desc) {
	for _, d := range []*desc{ruleCallsDesc(), ruleErrorsDesc(), leftOutDesc(), unrememberedDesc(), heldBackDesc(), disabledDesc(), openDesc(), callsDesc(), pendingDesc(), notifiedDesc(), brokenDesc(), degradedDesc(), backlogDesc(), fetchPendingDesc(), fetchBrokenDesc(), callsHeldDesc(), foreignDesc(), storeBytesDesc(), storeLimitDesc(), storeDaysDesc(), retentionShortDesc()} {
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
	l.Judge.Look(func(g *engine.Engine) { health, calls = g.Healths(), g.Calls() })
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
		ch <- prometheus.MustNewConstMetric(unrememberedDesc(), prometheus.CounterValue, float64(h.Unremembered), h.Rule)
		for by, n := range map[string]int{"active hours": h.HeldBack.ActiveHours, "cooldown": h.HeldBack.Cooldown, "silence": h.HeldBack.Silences} {
			ch <- prometheus.MustNewConstMetric(heldBackDesc(), prometheus.CounterValue, float64(n), h.Rule, by)
		}
		ch <- prometheus.MustNewConstMetric(ruleErrorsDesc(), prometheus.CounterValue, float64(h.Errors), h.Rule)
	}
	gauge(callsDesc(), float64(calls))
	foreign, _ := l.Store.Foreign()
	for _, name := range []string{"raw", "events", "alerts", "dead", "tasks", "checkpoints"} {
		foreign[name] += 0 // a counter begins at 0
	}
	for name, n := range foreign {
		ch <- prometheus.MustNewConstMetric(foreignDesc(), prometheus.CounterValue, float64(n), name)
	}
	if u := l.Store.Usage(); u.Limit > 0 {
		gauge(storeBytesDesc(), float64(u.Used))
		gauge(storeLimitDesc(), float64(u.Limit))
		if days, ok := u.DaysLeft(); ok {
			gauge(storeDaysDesc(), days)
		}
		for _, name := range []string{"raw", "events"} {
			gauge(retentionShortDesc(), u.Short[name].Seconds(), name)
		}
	}
	for stage, n := range l.Backlog() {
		gauge(backlogDesc(), float64(n), stage)
	}
	for _, s := range l.Fetch.Status() {
		gauge(fetchPendingDesc(), float64(s.Pending), s.Provider)
		broken, held := 0.0, 0.0
		if s.Trouble != "" {
			broken, held = 1, float64(s.Held)
		}
		gauge(fetchBrokenDesc(), broken, s.Provider)
		if s.Unsigned {
			gauge(callsHeldDesc(), held, s.Provider)
		}
	}
	for _, c := range l.Announce.Notifier().Status().Channels {
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
