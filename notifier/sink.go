package notifier

import (
	"context"
	"time"

	"callwatch/notifier/delivery"
	"callwatch/rules"
)

const (
	incomingKey = "incoming webhook"
	OutputEvery = 20 * time.Millisecond
)

// StepAgain repeats an open incident. It is no step of an incident.
const StepAgain rules.Step = "again"

func outputKey(name string) string { return "output " + name }

// openSinks returns the receivers beside Slack's threads, by key.
func (n *Notifier) openSinks() map[string]Output {
	sinks := map[string]Output{}
	if n.cfg.Incoming != nil {
		sinks[incomingKey] = n.cfg.Incoming
	}
	for name, o := range n.cfg.Outputs {
		sinks[outputKey(name)] = o
	}
	return sinks
}

// Pushes lists the lines that were not sent yet, in order.
func Pushes(r *Record, w *Want) []Action {
	var acts []Action
	for i, l := range w.Lines {
		counts := l.Step == rules.StepUpdated && i < len(w.Lines)-1 // a later line says more
		if l.Cause.After(r.Shows.Cause) && !counts {
			acts = append(acts, Action{Do: Push, Line: l, Rank: Urgency(&l.Incident)})
		}
	}
	return acts
}

// push sends one line to a sink and records how far the incident has come.
func (n *Notifier) push(ctx context.Context, j *job) {
	attempt, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	l := &j.act.Line
	j.thread.sink.Begin(&j.page.Record, l, j.now)
	if !n.save(ctx, j) {
		return
	}
	err := j.thread.sink.Send(attempt, &j.page.Record, l, j.now)
	if o, after := delivery.OutcomeOf(err); o != delivery.Done {
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
	l := &j.act.Line
	j.page.Shows = Shown{State: shownState(&l.Incident), Cause: l.Cause, At: j.now}
	j.thread.sink.End(&j.page.Record, l)
	if l.Step != StepAgain {
		n.save(ctx, j)
	}
}

func (n *Notifier) pushFailed(ctx context.Context, j *job, o delivery.Outcome, after time.Duration, err error) {
	n.blame(j, o, err)
	in := &j.act.Line.Incident
	still := Later(in.OpenedAt, in.UpdatedAt)
	switch {
	case o == delivery.BadContent, !still.IsZero() && j.now.Sub(still) > giveUpAfter:
		n.giveUp(j, j.act.Line.Name, err)
		n.pushed(ctx, j)
	case o == delivery.Limited:
		n.shut(j, func(l *lane) { l.close(j.now.Add(after)) })
	case o == delivery.BadChannel || o == delivery.BadToken:
		n.shut(j, func(l *lane) { l.close(j.now.Add(holdFor)) })
	default:
		n.shut(j, func(l *lane) { l.backOff(j.now) })
	}
}
