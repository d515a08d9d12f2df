package notifier

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"callwatch/rules"
)

// sink is a receiver that takes single messages: nothing is edited there, and
// taking one twice does no harm or cannot be helped. Every message is sent at
// least once, in order.
type sink interface {
	// want is what a transition asks for.
	want(t *rules.Transition) want
	// plan lists what remains to be sent, in order.
	plan(r *record, w *want) []action
	// begin notes in the record what sending a line may change at the receiver. It
	// is stored before the line is sent.
	begin(r *record, l *line, now time.Time)
	// send delivers one line.
	send(ctx context.Context, r *record, l *line, now time.Time) error
	// end notes that the line was delivered or given up.
	end(r *record, l *line)
	// every is the least time between two messages.
	every() time.Duration
}

const (
	incomingKey = "incoming webhook"
	outputEvery = 20 * time.Millisecond
	againEvery  = time.Minute
)

// stepAgain repeats an open incident. It is no step of an incident.
const stepAgain rules.Step = "again"

func outputKey(name string) string { return "output " + name }

// openSinks makes the receivers beside Slack's threads.
func (n *Notifier) openSinks() map[string]sink {
	sinks := map[string]sink{}
	web := &http.Client{
		Timeout:       n.cfg.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if n.cfg.Token == "" && n.cfg.WebhookURL != "" {
		sinks[incomingKey] = &incoming{
			url: n.cfg.WebhookURL, web: web, writer: &n.writer, pace: time.Duration(float64(time.Second) / n.cfg.Rate),
		}
	}
	for name, o := range n.cfg.Outputs {
		switch {
		case o.Webhook != "":
			sinks[outputKey(name)] = &webhook{url: o.Webhook, secret: o.Secret, web: web, mask: n.cfg.MaskOutputs}
		case o.Alertmanager != "":
			sinks[outputKey(name)] = &alertmanager{url: o.Alertmanager, web: web, writer: &n.writer}
		}
	}
	return sinks
}

// pushes lists the lines that were not sent yet, in order.
func pushes(r *record, w *want) []action {
	var acts []action
	for i, l := range w.lines {
		counts := l.step == rules.StepUpdated && i < len(w.lines)-1 // a later line says more
		if l.cause.After(r.Shows.Cause) && !counts {
			acts = append(acts, action{do: push, line: l, rank: urgency(&l.incident)})
		}
	}
	return acts
}

// push sends one line to a sink and records how far the incident has come.
func (n *Notifier) push(ctx context.Context, j *job) {
	attempt, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	l := &j.act.line
	j.thread.sink.begin(&j.page.record, l, j.now)
	if !n.save(ctx, j) {
		return
	}
	err := j.thread.sink.send(attempt, &j.page.record, l, j.now)
	if o, after := outcomeOf(err); o != done {
		n.pushFailed(ctx, j, o, after, err)
		return
	}
	n.succeeded(j, func(c *ChannelStatus) { c.Posted++ })
	n.log.Debug("message sent to an output", j.ids())
	n.pushed(ctx, j)
}

// pushed records that a line is done. A repetition needs no record: after a
// restart the open incident is sent again.
func (n *Notifier) pushed(ctx context.Context, j *job) {
	l := &j.act.line
	j.page.Shows = shown{Mark: mark(&l.incident), Cause: l.cause, At: j.now}
	j.thread.sink.end(&j.page.record, l)
	if l.step != stepAgain {
		n.save(ctx, j)
	}
}

func (n *Notifier) pushFailed(ctx context.Context, j *job, o outcome, after time.Duration, err error) {
	n.blame(j, o, err)
	in := &j.act.line.incident
	still := later(in.OpenedAt, in.UpdatedAt)
	switch {
	case o == badContent, !still.IsZero() && j.now.Sub(still) > giveUpAfter:
		n.giveUp(j, j.act.line.name, err)
		n.pushed(ctx, j)
	case o == wait:
		n.shut(j, func(l *lane) { l.close(j.now.Add(after)) })
	case o == badChannel || o == badToken:
		n.shut(j, func(l *lane) { l.close(j.now.Add(holdFor)) })
	default:
		n.shut(j, func(l *lane) { l.backOff(j.now) })
	}
}

// statusError is an HTTP answer that is no success.
type statusError struct {
	code  int
	after time.Duration // Retry-After, 0 for none
	text  string        // the beginning of the body
}

func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("answered %d", e.code)
	}
	return fmt.Sprintf("answered %d: %s", e.code, e.text)
}

// outcome of an answer: what may pass by itself is tried again.
func (e *statusError) outcome() (outcome, time.Duration) {
	switch {
	case e.code == http.StatusTooManyRequests, e.after > 0:
		return wait, min(max(e.after, leastWait), mostWait)
	case e.code >= 500, e.code == http.StatusRequestTimeout, e.code == http.StatusTooEarly:
		return unclear, 0
	case e.code == http.StatusBadRequest, e.code == http.StatusRequestEntityTooLarge, e.code == http.StatusUnprocessableEntity:
		return badContent, 0
	default: // a redirect among them: the address is wrong
		return badChannel, 0
	}
}

// retryAfter reads the header's number of seconds; 0 for none.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}
