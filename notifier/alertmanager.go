package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

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
	url    Token
	web    *http.Client
	writer *writer
}

// maxAlertLabels bounds the label sets of one incident: one a severity, and some
// for settings that changed in between.
const maxAlertLabels = 8

// alertLabels is a label set that may be firing in Alertmanager.
type alertLabels struct {
	Labels map[string]string `json:"labels"`
	Since  time.Time         `json:"since"`
}

func (a *alertmanager) every() time.Duration { return outputEvery }

// want is the incident as it is: an alert has a state and no history.
func (a *alertmanager) want(t *rules.Transition) want {
	return want{incident: t.Incident, cause: t.Cause, lines: []line{{
		name: causedName(t), step: t.Step, at: t.At, cause: t.Cause, incident: t.Incident,
	}}}
}

// firing reports whether the incident has an alert in Alertmanager. A silenced
// one and one that belongs to another incident have none.
func firing(in *rules.Incident) bool { return in.State == rules.Firing && !quiet(in) }

// plan sends the latest state if it is not there yet, else repeats it while the
// alert fires. A transition before the one that was sent last changes nothing: in
// a replay it would start an alert that was resolved.
func (a *alertmanager) plan(r *record, w *want) []action {
	in := &w.incident
	fires := firing(in)
	switch {
	case in.ID == "" || r.Shows.Cause.After(w.cause) || r.Begun.After(w.cause):
		return nil
	case w.cause.After(r.Shows.Cause) && (fires || a.mayFire(r)):
		l := w.lines[len(w.lines)-1]
		l.incident, l.cause = *in, w.cause
		return []action{{do: push, line: l, rank: urgency(in)}}
	case fires && !w.cause.After(r.Shows.Cause):
		return []action{{
			do: push, rank: rankCount, due: r.Shows.At.Add(againEvery),
			line: line{name: string(stepAgain), step: stepAgain, at: in.UpdatedAt, cause: r.Shows.Cause, incident: *in},
		}}
	}
	return nil
}

// mayFire reports whether Alertmanager may have an alert of the incident.
// Earlier versions sent alerts and kept no label sets.
func (a *alertmanager) mayFire(r *record) bool {
	return len(r.Alerts) > 0 || r.Begun == (rules.Cause{}) && r.Shows.Mark != ""
}

// begin adds the label set that is about to be sent.
func (a *alertmanager) begin(r *record, l *line, now time.Time) {
	in := &l.incident
	if len(r.Alerts) == 0 && a.mayFire(r) {
		was := *in
		was.Severity = openingSeverity(in) // the label that earlier versions never changed
		r.Alerts = append(r.Alerts, alertLabels{a.labels(&was), in.OpenedAt})
	}
	if l.cause.After(r.Begun) {
		r.Begun = l.cause
	}
	if !firing(in) {
		return
	}
	labels, since := a.labels(in), in.OpenedAt
	if len(r.Alerts) > 0 {
		since = later(since, in.UpdatedAt)
	}
	if i := slices.IndexFunc(r.Alerts, func(o alertLabels) bool { return maps.Equal(o.Labels, labels) }); i >= 0 {
		since = r.Alerts[i].Since
		r.Alerts = slices.Delete(r.Alerts, i, i+1)
	}
	if since.After(now) {
		since = now
	}
	r.Alerts = append(r.Alerts, alertLabels{labels, since})
	r.Alerts = r.Alerts[max(0, len(r.Alerts)-maxAlertLabels):]
}

// send resolves the label sets that are out of date and starts or repeats the
// current one, in one request.
func (a *alertmanager) send(ctx context.Context, r *record, l *line, now time.Time) error {
	in := &l.incident
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
		set := alertLabels{a.labels(in), in.OpenedAt}
		out := a.alert(in, set)
		out.EndsAt = ended(in, set.Since, now)
		alerts = append(alerts, out)
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	return postJSON(ctx, a.web, Token(strings.TrimRight(string(a.url), "/")+"/api/v2/alerts"), body, nil)
}

// end keeps the label set that fires now, if any.
func (a *alertmanager) end(r *record, l *line) {
	if len(r.Alerts) == 0 {
		return
	}
	r.Alerts = r.Alerts[len(r.Alerts)-1:]
	if !firing(&l.incident) {
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
	return later(end, since)
}

type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// alert of an incident under one of its label sets.
func (a *alertmanager) alert(in *rules.Incident, set alertLabels) alert {
	out := alert{
		Labels:       set.Labels,
		Annotations:  map[string]string{"summary": plainText(a.writer.headline(in, 500)), "severity": string(in.Severity)},
		StartsAt:     set.Since,
		GeneratorURL: a.writer.incidentURL(in),
	}
	annotate := func(name, value string) {
		if value != "" {
			out.Annotations[name] = value
		}
	}
	annotate("runbook_url", in.Runbook)
	annotate("owner", in.Owner)
	if ack := in.Acknowledged; ack != nil {
		annotate("acknowledged_by", plainText(person(ack.By)))
		annotate("acknowledged_at", ack.At.UTC().Format(time.RFC3339))
	}
	out.Annotations["description"] = plainText(joined(". ", a.writer.extentPlain(in), a.writer.because(worstOf(in))))
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
		add(by.Name, plainText(a.writer.text(by.Value, &in.Opening.Call, 200)))
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
