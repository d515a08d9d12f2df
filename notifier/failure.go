package notifier

import (
	"context"
	"time"

	"callwatch/notifier/delivery"
)

// failed draws the consequence of a call that did not work.
func (n *Notifier) failed(ctx context.Context, j *job, o delivery.Outcome, after time.Duration, err error) {
	n.blame(j, o, err)
	if j.act.Do == post && o != delivery.Unclear {
		j.absent()
	}
	switch o {
	case delivery.Limited:
		n.limited(j, j.now.Add(after))
	case delivery.Refused:
		n.shut(j, func(l *lane) { l.backOff(j.now) })
	case delivery.Unclear:
		if j.act.Do != post { // a post is looked for at once
			n.shut(j, func(l *lane) { l.backOff(j.now) })
		}
	case delivery.BadContent:
		n.simplify(ctx, j, err)
	case delivery.Gone:
		if j.act.Do == look {
			j.absent() // it went with its root
		}
		j.page.lostRoot()
		n.save(ctx, j)
	case delivery.NotEditable:
		j.page.Frozen = true
		n.save(ctx, j)
	case delivery.BadChannel, delivery.BadToken:
		n.avoid(ctx, j, o, err)
	}
}

// avoid announces the incident elsewhere, or holds it where there is no other place.
func (n *Notifier) avoid(ctx context.Context, j *job, o delivery.Outcome, err error) {
	if to := n.elsewhere(j.page.Channel, o); to != "" {
		n.move(ctx, j, to)
		return
	}
	n.hold(ctx, j, err)
}

// move has the incident announced in another channel. Nothing is lost if we
// stop in between: the transition is not settled, and the page says where to go.
func (n *Notifier) move(ctx context.Context, j *job, channel string) {
	there, err := loadPage(ctx, n.ledger, j.page.Incident, channel)
	if err != nil {
		n.ledgerAway(j, err)
		return
	}
	j.page.MovedTo = channel
	if n.save(ctx, j) {
		j.moved = &there
	}
}

// hold tries again later: a broken channel or token gets fixed at some time.
// What stood still for a day by then is of no use to anybody.
func (n *Notifier) hold(ctx context.Context, j *job, err error) {
	in := &j.want.Incident
	if still := Later(in.OpenedAt, in.UpdatedAt); !still.IsZero() && j.now.Sub(still) > giveUpAfter {
		n.giveUp(j, rootName, err)
		n.save(ctx, j)
		return
	}
	n.shut(j, func(l *lane) { l.close(j.now.Add(holdFor)) })
}

// giveUp parks a message, visibly.
func (n *Notifier) giveUp(j *job, name string, err error) {
	s := j.page.Sent[name]
	s.State, s.Error = parked, err.Error()
	j.page.Sent[name] = s
	n.log.Error("message given up", j.ids(), "parked", name, "err", err.Error())
	n.shut(j, func(l *lane) { l.status.Parked++ })
}

// limited closes what Slack limits: posts by channel, everything else for all
// channels of the workspace at once.
func (n *Notifier) limited(j *job, until time.Time) {
	n.shut(j, func(l *lane) {
		if j.act.Do == post {
			l.close(until)
			return
		}
		gates := j.workspace.gates
		gates[j.act.Do] = Later(gates[j.act.Do], until)
		l.status.RetryAt = gates[j.act.Do]
	})
}

// shut changes the lane of a job.
func (n *Notifier) shut(j *job, change func(*lane)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(j.lane)
}

// blame shows an error at the channel.
func (n *Notifier) blame(j *job, o delivery.Outcome, err error) {
	n.shut(j, func(l *lane) {
		l.status.LastError, l.status.ErrorAt = err.Error(), j.now
		switch o {
		case delivery.Refused, delivery.Unclear, delivery.BadChannel, delivery.BadToken:
			l.status.Failures++
			if l.failing.IsZero() {
				l.failing = j.now
			}
		}
		if o == delivery.BadChannel || o == delivery.BadToken {
			l.status.Broken = true
		}
		if o == delivery.Limited {
			l.status.Limited++
		}
	})
	n.log.Warn("call to a receiver failed", j.ids(), "do", string(j.act.Do), "means", string(o), "err", err.Error())
}

// succeeded shows that the channel works.
func (n *Notifier) succeeded(j *job, count func(*ChannelStatus)) {
	j.ok = true
	n.shut(j, func(l *lane) {
		l.failures, l.status.Failures, l.failing = 0, 0, time.Time{}
		l.status.LastOK, l.status.Broken = j.now, false
		count(&l.status)
	})
}

// simplify gives up the blocks that were refused, then all blocks, then the message.
func (n *Notifier) simplify(ctx context.Context, j *job, err error) {
	c := n.root(&j.page, &j.want)
	if j.act.Do == post {
		c = n.content(j)
	}
	bad := j.workspace.Refused(&c, err)
	switch {
	case !j.page.Plain && len(bad) > 0:
		j.page.Without = append(j.page.Without, bad...)
	case !j.page.Plain:
		j.page.Plain = true
	case j.act.Do == edit:
		j.page.Frozen = true
	default:
		n.giveUp(j, j.act.Line.Name, err)
	}
	n.save(ctx, j)
}
