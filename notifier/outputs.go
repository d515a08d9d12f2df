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
	mask   bool // phone numbers
}

func (h *webhook) every() time.Duration { return outputEvery }

func (h *webhook) plan(r *record, w *want) []action { return pushes(r, w) }
func (h *webhook) begin(*record, *line, time.Time)  {}
func (h *webhook) end(*record, *line)               {}

func (h *webhook) want(t *rules.Transition) want {
	l := line{name: causedName(t), step: t.Step, at: t.At, cause: t.Cause, reason: t.Reason, incident: t.Incident}
	return want{incident: t.Incident, cause: t.Cause, lines: []line{l}}
}

func (h *webhook) send(ctx context.Context, _ *record, l *line, now time.Time) error {
	body, err := json.Marshal(struct {
		Type      string           `json:"type"`
		Timestamp time.Time        `json:"timestamp"`
		Data      rules.Transition `json:"data"`
	}{"incident." + string(l.step), l.at, rules.Transition{Step: l.step, At: l.at, Cause: l.cause, Reason: l.reason, Incident: l.incident}})
	if err != nil {
		return fmt.Errorf("write webhook: %w", err)
	}
	if h.mask {
		if body, err = maskJSON(body, l.incident.Latest.Call.From, l.incident.Latest.Call.To, l.incident.Opening.Call.From, l.incident.Opening.Call.To,
			l.incident.Worst.Call.From, l.incident.Worst.Call.To); err != nil {
			return fmt.Errorf("mask webhook: %w", err)
		}
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

// incoming is a Slack incoming webhook: it takes messages and returns nothing to
// edit them by, so that only the opening and the resolve are posted.
type incoming struct {
	url    Token
	web    *http.Client
	writer *writer
	pace   time.Duration
}

func (s *incoming) every() time.Duration { return s.pace }

func (s *incoming) plan(r *record, w *want) []action { return pushes(r, w) }
func (s *incoming) begin(*record, *line, time.Time)  {}
func (s *incoming) end(*record, *line)               {}

func (s *incoming) want(t *rules.Transition) want {
	w := want{incident: t.Incident, cause: t.Cause}
	in := &t.Incident
	if t.Step == rules.StepOpened && !quiet(in) || t.Step == rules.StepResolved && in.Parent == "" {
		w.lines = []line{{name: string(t.Step), step: t.Step, at: t.At, cause: t.Cause, incident: t.Incident}}
	}
	return w
}

func (s *incoming) send(ctx context.Context, _ *record, l *line, _ time.Time) error {
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
