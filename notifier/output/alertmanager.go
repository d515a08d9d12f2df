package output

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/rules"
)

// alertmanager keeps one alert firing in Alertmanager while an incident is open
// and not silenced.
//
// Alertmanager identifies an alert by its labels. The severity is one of them, so
// an escalation resolves the old label set and starts a new one. The record lists
// every label set that may be firing, and is stored before a request: after a
// crash the next request resolves what the last one may have started.
type alertmanager struct {
	url  delivery.Token
	web  *http.Client
	text Text
}

// Text renders parts of an incident as plain text.
type Text interface {
	Summary(in *rules.Incident) string
	Description(in *rules.Incident) string
	Value(in *rules.Incident, value string) string // of a key
	Person(name string) string
	IncidentURL(in *rules.Incident) string // "" where there is no console
}

// NewAlertmanager sends alerts to the Alertmanager at url.
func NewAlertmanager(url delivery.Token, timeout time.Duration, t Text) notifier.Output {
	return &alertmanager{url: url, web: delivery.HTTPClient(timeout), text: t}
}

// againEvery is how often a firing alert is repeated.
const againEvery = time.Minute

// maxAlertLabels bounds the label sets of one incident: one a severity, and some
// for settings that changed in between.
const maxAlertLabels = 8

func (a *alertmanager) Every() time.Duration { return notifier.OutputEvery }

// Want is the incident as it is: an alert has a state and no history.
func (a *alertmanager) Want(t *rules.Transition) notifier.Want {
	return notifier.Want{Incident: t.Incident, Cause: t.Cause, Lines: []notifier.Line{{
		Name: notifier.CausedName(t), Step: t.Step, At: t.At, Cause: t.Cause, Incident: t.Incident,
	}}}
}

// firing reports whether the incident has an alert in Alertmanager. A silenced
// one and one that belongs to another incident have none.
func firing(in *rules.Incident) bool { return in.State == rules.Firing && !notifier.Quiet(in) }

// Plan sends the latest state if it is not there yet, else repeats it while the
// alert fires. A transition before the one that was sent last changes nothing: in
// a replay it would start an alert that was resolved.
func (a *alertmanager) Plan(r *notifier.Record, w *notifier.Want) []notifier.Action {
	in := &w.Incident
	fires := firing(in)
	switch {
	case in.ID == "" || r.Shows.Cause.After(w.Cause) || r.Begun.After(w.Cause):
		return nil
	case w.Cause.After(r.Shows.Cause) && (fires || a.mayFire(r)):
		l := w.Lines[len(w.Lines)-1]
		l.Incident, l.Cause = *in, w.Cause
		return []notifier.Action{{Do: notifier.Push, Line: l, Rank: notifier.Urgency(in)}}
	case fires && !w.Cause.After(r.Shows.Cause):
		return []notifier.Action{{
			Do: notifier.Push, Rank: notifier.RankCount, Due: r.Shows.At.Add(againEvery),
			Line: notifier.Line{Name: string(notifier.StepAgain), Step: notifier.StepAgain, At: in.UpdatedAt, Cause: r.Shows.Cause, Incident: *in},
		}}
	}
	return nil
}

// mayFire reports whether Alertmanager may have an alert of the incident.
// Earlier versions sent alerts and kept no label sets.
func (a *alertmanager) mayFire(r *notifier.Record) bool {
	return len(r.Alerts) > 0 || r.Begun == (rules.Cause{}) && r.Shows.State != ""
}

// Begin adds the label set that is about to be sent.
func (a *alertmanager) Begin(r *notifier.Record, l *notifier.Line, now time.Time) {
	in := &l.Incident
	if len(r.Alerts) == 0 && a.mayFire(r) {
		was := *in
		was.Severity = notifier.OpeningSeverity(in) // the label that earlier versions never changed
		r.Alerts = append(r.Alerts, notifier.AlertLabels{Labels: a.labels(&was), Since: in.OpenedAt})
	}
	if l.Cause.After(r.Begun) {
		r.Begun = l.Cause
	}
	if !firing(in) {
		return
	}
	labels, since := a.labels(in), in.OpenedAt
	if len(r.Alerts) > 0 {
		since = notifier.Later(since, in.UpdatedAt)
	}
	if i := slices.IndexFunc(r.Alerts, func(o notifier.AlertLabels) bool { return maps.Equal(o.Labels, labels) }); i >= 0 {
		since = r.Alerts[i].Since
		r.Alerts = slices.Delete(r.Alerts, i, i+1)
	}
	if since.After(now) {
		since = now
	}
	r.Alerts = append(r.Alerts, notifier.AlertLabels{Labels: labels, Since: since})
	r.Alerts = r.Alerts[max(0, len(r.Alerts)-maxAlertLabels):]
}

// Send resolves the label sets that are out of date and starts or repeats the
// current one, in one request.
func (a *alertmanager) Send(ctx context.Context, r *notifier.Record, l *notifier.Line, now time.Time) error {
	in := &l.Incident
	alerts := make([]alert, 0, len(r.Alerts))
	for i, set := range r.Alerts {
		out := a.alert(in, set)
		if current := i == len(r.Alerts)-1; current && firing(in) {
			out.EndsAt = now.Add(4 * againEvery) // by then it was repeated, or callwatch is gone
		} else {
			out.EndsAt = ended(in, set.Since, now)
		}
		alerts = append(alerts, out)
	}
	if len(alerts) == 0 { // a test
		set := notifier.AlertLabels{Labels: a.labels(in), Since: in.OpenedAt}
		out := a.alert(in, set)
		out.EndsAt = ended(in, set.Since, now)
		alerts = append(alerts, out)
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	return delivery.PostJSON(ctx, a.web, delivery.Token(strings.TrimRight(string(a.url), "/")+"/api/v2/alerts"), delivery.API, body, nil)
}

// End keeps the label set that fires now, if any.
func (a *alertmanager) End(r *notifier.Record, l *notifier.Line) {
	if len(r.Alerts) == 0 {
		return
	}
	r.Alerts = r.Alerts[len(r.Alerts)-1:]
	if !firing(&l.Incident) {
		r.Alerts = nil
	}
}

// ended is when a label set stopped firing: never in the future, where it would
// go on firing, and never before it started, which Alertmanager refuses.
func ended(in *rules.Incident, since, now time.Time) time.Time {
	end := now
	if in.State == rules.Resolved && !in.ResolvedAt.IsZero() && in.ResolvedAt.Before(now) {
		end = in.ResolvedAt
	}
	return notifier.Later(end, since)
}

type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// alert of an incident under one of its label sets.
func (a *alertmanager) alert(in *rules.Incident, set notifier.AlertLabels) alert {
	out := alert{
		Labels:       set.Labels,
		Annotations:  map[string]string{"summary": a.text.Summary(in), "severity": string(in.Severity)},
		StartsAt:     set.Since,
		GeneratorURL: a.text.IncidentURL(in),
	}
	annotate := func(name, value string) {
		if value != "" {
			out.Annotations[name] = value
		}
	}
	annotate("runbook_url", in.Runbook)
	annotate("owner", in.Owner)
	if ack := in.Acknowledged; ack != nil {
		annotate("acknowledged_by", a.text.Person(ack.By))
		annotate("acknowledged_at", ack.At.UTC().Format(time.RFC3339))
	}
	if to := in.Assigned; to != nil {
		annotate("assigned_to", a.text.Person(to.To))
	}
	out.Annotations["description"] = a.text.Description(in)
	return out
}

// labels are an incident's identity in Alertmanager. Each name comes once: the
// fixed ones first, then the rule's labels, then its `by` values, and among those
// a name that is valid as it is before one that has to be changed.
func (a *alertmanager) labels(in *rules.Incident) map[string]string {
	out := map[string]string{"alertname": in.Rule, "incident": in.ID, "severity": string(in.Severity)}
	add := func(name, value string) {
		if name = labelName(name); out[name] == "" && value != "" {
			out[name] = strings.ToValidUTF8(value, "\uFFFD")
		}
	}
	names := slices.SortedFunc(maps.Keys(in.Labels), func(x, y string) int {
		return strings.Compare(rankedName(x), rankedName(y))
	})
	for _, name := range names {
		add(name, in.Labels[name])
	}
	for _, by := range in.By {
		add(by.Name, a.text.Value(in, by.Value))
	}
	return out
}

// rankedName sorts valid label names before others.
func rankedName(name string) string {
	if labelName(name) == name {
		return "0" + name
	}
	return "1" + name
}

// labelName makes a name that Alertmanager takes: letters, digits and
// underscores, no digit first. `rules check` refuses labels named otherwise; a
// name such as raw.x.y comes from `by`.
func labelName(name string) string {
	valid := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	if valid == "" || valid[0] >= '0' && valid[0] <= '9' {
		valid = "_" + valid
	}
	return valid
}
