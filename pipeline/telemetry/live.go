package telemetry

import (
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"callwatch/pipeline"
	"callwatch/pipeline/fetching"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// Sources are the states that are read at each scrape.
type Sources struct {
	Store    *stream.Store
	Judge    *pipeline.Judge
	Announce *pipeline.Announce
	Fetch    *fetching.Fetch
	Backlog  func() map[string]uint64
	// ModelBehind is how many stored events the read model does not have yet; nil where
	// there is none.
	ModelBehind func() uint64
	// RulesInForce reports whether the rules in force are those of the rules file.
	RulesInForce func() bool
}

// Handler serves the counters and the states of the sources.
func (m *Metrics) Handler(s Sources) http.Handler {
	m.registry.MustRegister(&liveCollector{s})
	return promhttp.HandlerFor(withoutEmpty(m.registry), promhttp.HandlerOpts{})
}

// withoutEmpty leaves out labels without a value, which mean the same as none: what has
// no account has no such label.
func withoutEmpty(g prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := g.Gather()
		for _, f := range families {
			for _, metric := range f.Metric {
				metric.Label = slices.DeleteFunc(slices.Clone(metric.Label), func(l *dto.LabelPair) bool { return l.GetValue() == "" })
			}
		}
		return families, err
	})
}

// liveCollector reads the sources.
type liveCollector struct{ Sources }

// live is a metric that is read at each scrape.
type live struct {
	kind prometheus.ValueType
	desc *prometheus.Desc
}

func gauge(name, help string, labels ...string) live {
	return live{prometheus.GaugeValue, prometheus.NewDesc(name, help, labels, nil)}
}

func counter(name, help string, labels ...string) live {
	return live{prometheus.CounterValue, prometheus.NewDesc(name, help, labels, nil)}
}

var (
	ruleCalls            = gauge("callwatch_rule_calls", "Calls by rule and outcome, since the rule's state began.", "rule", "outcome")
	ruleLeftOut          = counter("callwatch_rule_left_out_total", "Calls that a rule left out because it has as many keys as max_keys allows.", "rule")
	ruleUnremembered     = counter("callwatch_rule_unremembered_total", "Calls of which a rule about new values could not tell: the key has had as many values as are remembered.", "rule")
	ruleHeldBack         = counter("callwatch_rule_held_back_total", "What a rule kept from being announced, by what held it back.", "rule", "by")
	ruleErrors           = counter("callwatch_rule_errors_total", "Run-time errors by rule.", "rule")
	ruleDisabled         = gauge("callwatch_rule_disabled", "1 where the rule was too slow and is disabled until the rules file changes.", "rule")
	incidentsOpen        = gauge("callwatch_incidents_open", "Open incidents by rule.", "rule")
	callsKept            = gauge("callwatch_calls_kept", "Calls the rule engine keeps.")
	notificationsPending = gauge("callwatch_notifications_pending", "Incidents whose messages are not what they should be yet, by channel.", "channel")
	notifications        = counter("callwatch_notifications_total", "Messages by channel: posted, edited, given up (parked), and answers that there are too many (limited).", "channel", "what")
	backlogMessages      = gauge("callwatch_backlog_messages", "Stored messages that a stage has still to work on: frames of webhooks to normalize, events to judge, transitions to announce, events to look at for a report to fetch.", "stage")
	receiverBroken       = gauge("callwatch_receiver_broken", "1 where the channel takes nothing from us.", "channel")
	receiverDegraded     = gauge("callwatch_receiver_degraded", "1 where alerts do not reach the receiver: it is broken, two attempts in a row failed, or nothing was delivered for a minute.", "channel")
	foreignMessages      = counter("callwatch_foreign_messages_total", "Messages in the store that callwatch did not publish and skips, by stream.", "stream")
	fetchesPending       = gauge("callwatch_fetches_pending", "Requests for reports that wait for their next attempt.", "provider", "account")
	fetchBroken          = gauge("callwatch_fetch_broken", "1 where the provider refuses the credentials or does not answer.", "provider", "account")
	callsHeld            = gauge("callwatch_calls_held", "Calls of a provider without signatures that cannot end because its API cannot be asked.", "provider", "account")
	storeBytes           = gauge("callwatch_store_bytes", "Bytes that the embedded store holds.")
	storeLimit           = gauge("callwatch_store_limit_bytes", "Bytes that the embedded store may hold. At the limit the oldest webhooks are removed.")
	storeDaysLeft        = gauge("callwatch_store_days_left", "Days until the store reaches its limit at its growth. Absent when everything reaches its age before.")
	rulesInForce         = gauge("callwatch_rules_file_in_force", "1 where the rules in force are those of the rules file, 0 where the file has errors.")
	modelBehind          = gauge("callwatch_read_model_behind_events", "Stored events that lists of calls and figures do not have yet. Absent where there is no read model.")
	retentionShort       = gauge("callwatch_retention_short_seconds", "How much less than its configured age a stream is kept because the store reached its limit; 0 where all is kept.", "stream")

	lives = []live{
		ruleCalls, ruleLeftOut, ruleUnremembered, ruleHeldBack, ruleErrors, ruleDisabled, incidentsOpen, callsKept,
		notificationsPending, notifications, backlogMessages, receiverBroken, receiverDegraded, foreignMessages,
		fetchesPending, fetchBroken, callsHeld, storeBytes, storeLimit, storeDaysLeft, retentionShort, rulesInForce, modelBehind,
	}
)

// Describe names the metrics.
func (l *liveCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range lives {
		ch <- m.desc
	}
}

// Collect reads them.
func (l *liveCollector) Collect(ch chan<- prometheus.Metric) {
	set := func(m live, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	truth := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	set(rulesInForce, truth(l.RulesInForce()))
	if l.ModelBehind != nil {
		set(modelBehind, float64(l.ModelBehind()))
	}
	var health []rules.Health
	calls := 0
	l.Judge.Look(func(g *engine.Engine) { health, calls = g.Healths(), g.Calls() })
	for _, h := range health {
		set(ruleCalls, float64(h.Counts.Matched), h.Rule, "matched")
		set(ruleCalls, float64(h.Counts.Judged), h.Rule, "judged")
		set(ruleCalls, float64(h.Counts.Unjudged), h.Rule, "unjudged")
		set(incidentsOpen, float64(h.Open), h.Rule)
		set(ruleDisabled, truth(h.Disabled), h.Rule)
		set(ruleLeftOut, float64(h.Overflow), h.Rule)
		set(ruleUnremembered, float64(h.Unremembered), h.Rule)
		for by, n := range map[string]int{"active hours": h.HeldBack.ActiveHours, "cooldown": h.HeldBack.Cooldown, "silence": h.HeldBack.Silences} {
			set(ruleHeldBack, float64(n), h.Rule, by)
		}
		set(ruleErrors, float64(h.Errors), h.Rule)
	}
	set(callsKept, float64(calls))
	foreign, _ := l.Store.Foreign()
	for _, name := range []string{"raw", "events", "alerts", "dead", "tasks", "checkpoints"} {
		foreign[name] += 0 // a counter begins at 0
	}
	for name, n := range foreign {
		set(foreignMessages, float64(n), name)
	}
	if u := l.Store.Usage(); u.Limit > 0 {
		set(storeBytes, float64(u.Used))
		set(storeLimit, float64(u.Limit))
		if days, ok := u.DaysLeft(); ok {
			set(storeDaysLeft, days)
		}
		for _, name := range []string{"raw", "events"} {
			set(retentionShort, u.Short[name].Seconds(), name)
		}
	}
	for stage, n := range l.Backlog() {
		set(backlogMessages, float64(n), stage)
	}
	for _, s := range l.Fetch.Status() {
		set(fetchesPending, float64(s.Pending), s.Provider, s.Account)
		set(fetchBroken, truth(s.Trouble != ""), s.Provider, s.Account)
		if s.Unsigned {
			held := 0.0
			if s.Trouble != "" {
				held = float64(s.Held)
			}
			set(callsHeld, held, s.Provider, s.Account)
		}
	}
	for _, c := range l.Announce.Notifier().Status().Channels {
		set(notificationsPending, float64(c.Pending), c.Channel)
		for what, n := range map[string]int{"posted": c.Posted, "edited": c.Edited, "limited": c.Limited, "parked": c.Parked} {
			set(notifications, float64(n), c.Channel, what)
		}
		set(receiverBroken, truth(c.Broken), c.Channel)
		set(receiverDegraded, truth(c.Degraded), c.Channel)
	}
}
