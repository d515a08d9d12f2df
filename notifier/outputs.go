package notifier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"callwatch/rules"
)

// webhook posts every transition as JSON, signed per Standard Webhooks
// (standardwebhooks.com): id, timestamp and body by HMAC-SHA256. The id is the
// same however often a message is sent, so that receivers can drop repetitions.
type webhook struct {
	url    Token
	secret Token
	web    *http.Client
}

func (h *webhook) again() time.Duration { return 0 }
func (h *webhook) every() time.Duration { return outputEvery }

func (h *webhook) want(t *rules.Transition) want {
	l := line{name: causedName(t), step: t.Step, at: t.At, cause: t.Cause, reason: t.Reason, incident: t.Incident}
	return want{incident: t.Incident, cause: t.Cause, lines: []line{l}}
}

func (h *webhook) send(ctx context.Context, l *line, now time.Time) error {
	body, err := json.Marshal(struct {
		Type      string           `json:"type"`
		Timestamp time.Time        `json:"timestamp"`
		Data      rules.Transition `json:"data"`
	}{"incident." + string(l.step), l.at, rules.Transition{Step: l.step, At: l.at, Cause: l.cause, Reason: l.reason, Incident: l.incident}})
	if err != nil {
		return fmt.Errorf("write webhook: %w", err)
	}
	id := "msg_" + l.incident.ID + "_" + strings.ReplaceAll(strings.ReplaceAll(l.name, "/", "_"), ".", "_")
	return postJSON(ctx, h.web, h.url, body, standardHeaders(h.secret, id, now, body))
}

// standardHeaders sign a message per Standard Webhooks. A secret that begins with
// whsec_ is base64, any other is taken as it is; without a secret nothing is signed.
func standardHeaders(secret Token, id string, now time.Time, body []byte) http.Header {
	at := strconv.FormatInt(now.Unix(), 10)
	h := http.Header{}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	if secret == "" {
		return h
	}
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(string(secret), "whsec_"); ok {
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			key = decoded
		}
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, at, body) // a hash never fails
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

// alertmanager keeps an alert firing in Alertmanager while the incident is open.
type alertmanager struct {
	url    Token
	web    *http.Client
	writer *writer
}

func (a *alertmanager) again() time.Duration { return againEvery }
func (a *alertmanager) every() time.Duration { return outputEvery }

// want is the incident as it is: an alert has a state and no history. One that is
// silenced from its beginning does not start to fire.
func (a *alertmanager) want(t *rules.Transition) want {
	w := want{incident: t.Incident, cause: t.Cause}
	if t.Step == rules.StepOpened && quiet(&t.Incident) {
		return w
	}
	w.lines = []line{{name: causedName(t), step: t.Step, at: t.At, cause: t.Cause, incident: t.Incident}}
	return w
}

type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func (a *alertmanager) send(ctx context.Context, l *line, now time.Time) error {
	body, err := json.Marshal([]alert{a.alert(&l.incident, now)})
	if err != nil {
		return fmt.Errorf("write alert: %w", err)
	}
	return postJSON(ctx, a.web, Token(strings.TrimRight(string(a.url), "/")+"/api/v2/alerts"), body, nil)
}

// alert of an incident. Its labels are its identity and never change, so the
// severity that grows is not among them but an annotation.
func (a *alertmanager) alert(in *rules.Incident, now time.Time) alert {
	out := alert{
		Labels:       map[string]string{"alertname": in.Rule, "incident": in.ID, "severity": string(openingSeverity(in))},
		Annotations:  map[string]string{"summary": plainText(a.writer.headline(in, 500)), "severity": string(in.Severity)},
		StartsAt:     in.OpenedAt,
		EndsAt:       now.Add(4 * againEvery), // by then it was sent again, or callwatch is gone
		GeneratorURL: a.writer.incidentURL(in),
	}
	for k, v := range in.Labels {
		if _, taken := out.Labels[k]; !taken {
			out.Labels[k] = v
		}
	}
	for _, by := range in.By {
		if _, taken := out.Labels[by.Name]; !taken {
			out.Labels[by.Name] = plainText(a.writer.text(by.Value, &in.Opening.Call, 200))
		}
	}
	for name, v := range map[string]string{"runbook_url": in.Runbook, "owner": in.Owner} {
		if v != "" {
			out.Annotations[name] = v
		}
	}
	out.Annotations["description"] = plainText(joined(". ", a.writer.extentPlain(in), a.writer.because(worstOf(in))))
	if in.State == rules.Resolved {
		out.EndsAt = in.ResolvedAt
	}
	return out
}

// incoming is a Slack incoming webhook: it takes messages and returns nothing to
// edit them by, so that only the opening and the resolve are posted.
type incoming struct {
	url    Token
	web    *http.Client
	writer *writer
	pace   time.Duration
}

func (s *incoming) again() time.Duration { return 0 }
func (s *incoming) every() time.Duration { return s.pace }

func (s *incoming) want(t *rules.Transition) want {
	w := want{incident: t.Incident, cause: t.Cause}
	in := &t.Incident
	if t.Step == rules.StepOpened && !quiet(in) || t.Step == rules.StepResolved && in.Parent == "" {
		w.lines = []line{{name: string(t.Step), step: t.Step, at: t.At, cause: t.Cause, incident: t.Incident}}
	}
	return w
}

func (s *incoming) send(ctx context.Context, l *line, _ time.Time) error {
	plain := *s.writer
	plain.buttons = false
	m := plain.root(&l.incident)
	body, err := json.Marshal(slack.WebhookMessage{Text: m.Text, Blocks: &slack.Blocks{BlockSet: m.Blocks}, Attachments: m.Attachments})
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return postJSON(ctx, s.web, s.url, body, nil)
}

// postJSON posts body and returns a statusError for an answer that is no
// success. The address, which may hold a secret, appears in no error.
func postJSON(ctx context.Context, web *http.Client, url Token, body []byte, extra http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(url), bytes.NewReader(body))
	if err != nil {
		return url.redact(fmt.Errorf("post: %w", err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "callwatch")
	for k, v := range extra {
		req.Header[k] = v
	}
	res, err := web.Do(req)
	if err != nil {
		return url.redact(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 300)) // what it says is a courtesy
	if res.StatusCode/100 == 2 {
		return nil
	}
	return url.redact(&statusError{code: res.StatusCode, after: retryAfter(res.Header), text: strings.ToValidUTF8(string(text), "\uFFFD")})
}
