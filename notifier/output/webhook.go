// Package output sends incidents to receivers beside Slack: webhooks signed per
// Standard Webhooks, and Alertmanager. It implements notifier.Output.
package output

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/rules"
)

// webhook posts every transition as JSON, signed per Standard Webhooks
// (standardwebhooks.com): id, timestamp and body by HMAC-SHA256. The id is the
// same however often a message is sent, so that receivers can drop repetitions.
type webhook struct {
	url    delivery.Token
	secret delivery.Token
	web    *http.Client
	mask   bool // phone numbers
}

// NewWebhook posts to url. Without a secret nothing is signed; masked hides phone
// numbers.
func NewWebhook(url, secret delivery.Token, timeout time.Duration, masked bool) notifier.Output {
	return &webhook{url: url, secret: secret, web: delivery.HTTPClient(timeout), mask: masked}
}

func (h *webhook) Every() time.Duration { return notifier.OutputEvery }

func (h *webhook) Plan(r *notifier.Record, w *notifier.Want) []notifier.Action {
	return notifier.Pushes(r, w)
}
func (h *webhook) Begin(*notifier.Record, *notifier.Line, time.Time) {}
func (h *webhook) End(*notifier.Record, *notifier.Line)              {}

func (h *webhook) Want(t *rules.Transition) notifier.Want {
	l := notifier.Line{Name: notifier.CausedName(t), Step: t.Step, At: t.At, Cause: t.Cause, Reason: t.Reason, Incident: t.Incident}
	return notifier.Want{Incident: t.Incident, Cause: t.Cause, Lines: []notifier.Line{l}}
}

func (h *webhook) Send(ctx context.Context, _ *notifier.Record, l *notifier.Line, now time.Time) error {
	body, err := json.Marshal(struct {
		Type      string           `json:"type"`
		Timestamp time.Time        `json:"timestamp"`
		Data      rules.Transition `json:"data"`
	}{"incident." + string(l.Step), l.At, rules.Transition{Step: l.Step, At: l.At, Cause: l.Cause, Reason: l.Reason, Incident: l.Incident}})
	if err != nil {
		return fmt.Errorf("write webhook: %w", err)
	}
	if h.mask {
		if body, err = maskJSON(body, l.Incident.Numbers()...); err != nil {
			return fmt.Errorf("mask webhook: %w", err)
		}
	}
	id := "msg_" + l.Incident.ID + "_" + strings.ReplaceAll(strings.ReplaceAll(l.Name, "/", "_"), ".", "_")
	return delivery.PostJSON(ctx, h.web, h.url, delivery.AnyAnswer, body, standardHeaders(h.secret, id, now, body))
}

// standardHeaders sign a message per Standard Webhooks. A secret that begins with
// whsec_ is base64, any other is taken as it is; without a secret nothing is signed.
func standardHeaders(secret delivery.Token, id string, now time.Time, body []byte) http.Header {
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
