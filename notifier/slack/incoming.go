package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/rules"
)

// incoming is a Slack incoming webhook: it takes messages, answers ok and nothing to
// edit them by, so that only the opening and the resolve are posted.
type incoming struct {
	url    delivery.Token
	web    *http.Client
	writer *writer
	pace   time.Duration
}

// NewIncoming posts to the incoming webhook at url, rate messages a second.
func NewIncoming(url delivery.Token, timeout time.Duration, rate float64, w Config) notifier.Output {
	if rate <= 0 {
		rate = 1
	}
	return &incoming{url: url, web: delivery.HTTPClient(timeout), writer: w.writer(), pace: time.Duration(float64(time.Second) / rate)}
}

// CheckIncoming reports why an incoming webhook takes no messages; nil where it does. It
// sends a message without text, which Slack refuses and posts nowhere.
func CheckIncoming(ctx context.Context, url delivery.Token) error {
	err := delivery.PostJSON(ctx, delivery.HTTPClient(delivery.DefaultTimeout), url, delivery.SlackWebhook, []byte("{}"), nil)
	if o, _ := delivery.OutcomeOf(err); o == delivery.BadContent && (strings.Contains(err.Error(), "no_text") || strings.Contains(err.Error(), "invalid_payload")) {
		return nil
	}
	return err
}

func (s *incoming) Every() time.Duration { return s.pace }

func (s *incoming) Plan(r *notifier.Record, w *notifier.Want) []notifier.Action {
	return notifier.Pushes(r, w)
}
func (s *incoming) Begin(*notifier.Record, *notifier.Line, time.Time) {}
func (s *incoming) End(*notifier.Record, *notifier.Line)              {}

func (s *incoming) Want(t *rules.Transition) notifier.Want {
	w := notifier.Want{Incident: t.Incident, Cause: t.Cause}
	in := &t.Incident
	if t.Step == rules.StepOpened && !notifier.Quiet(in) || t.Step == rules.StepResolved && in.Parent == "" {
		w.Lines = []notifier.Line{{Name: string(t.Step), Step: t.Step, At: t.At, Cause: t.Cause, Incident: t.Incident}}
	}
	return w
}

func (s *incoming) Send(ctx context.Context, _ *notifier.Record, l *notifier.Line, _ time.Time) error {
	plain := *s.writer
	plain.buttons = false
	m := plain.root(&l.Incident)
	body, err := json.Marshal(slack.WebhookMessage{Text: m.Text, Blocks: &slack.Blocks{BlockSet: m.Blocks}, Attachments: m.Attachments})
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return delivery.PostJSON(ctx, s.web, s.url, delivery.SlackWebhook, body, nil)
}
