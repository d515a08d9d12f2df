package notifier

import (
	"context"
	"time"
)

// failed draws the consequence of a call that did not work.
func (n *Notifier) failed(ctx context.Context, j *job, o outcome, after time.Duration, err error) {
	n.blame(j, o, err)
	if j.act.do == post && o != unclear {
		j.absent()
	}
	switch o {
	case wait:
		n.limited(j, j.now.Add(after))
	case refused:
		n.shut(j, func(l *lane) { l.backOff(j.now) })
	case unclear:
		if j.act.do != post { // a post is looked for at once
			n.shut(j, func(l *lane) { l.backOff(j.now) })
		}
	case badContent:
		n.simplify(ctx, j, err)
	case gone:
		if j.act.do == look {
			j.absent() // it went with its root
		}
		j.page.lostRoot()
		n.save(ctx, j)
	case frozen:
		j.page.Frozen = true
		n.save(ctx, j)
	case badChannel:
		if d := n.cfg.Channel; d != "" && d != j.page.Channel {
			n.move(ctx, j, d)
			return
		}
		n.hold(ctx, j, err)
	case badToken:
		n.hold(ctx, j, err)
	}
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

// hold tries again later: a channel or token that is broken now will be mended.
// What stood still for a day by then is of no use to anybody.
func (n *Notifier) hold(ctx context.Context, j *job, err error) {
	in := &j.want.incident
	if still := later(in.OpenedAt, in.UpdatedAt); !still.IsZero() && j.now.Sub(still) > giveUpAfter {
		n.giveUp(j, rootName, err)
		n.save(ctx, j)
		return
	}
	n.shut(j, func(l *lane) { l.close(j.now.Add(holdFor)) })
}

// giveUp parks a message, visibly.
func (n *Notifier) giveUp(j *job, name string, err error) {
	s := j.page.Sent[name]
	s.State, s.Error = parked, brief(err)
	j.page.Sent[name] = s
	n.log.Error("message given up", j.ids(), "parked", name, "err", brief(err))
	n.shut(j, func(l *lane) { l.status.Parked++ })
}

// limited closes what Slack limits: posts by channel, everything else for all
// channels at once.
func (n *Notifier) limited(j *job, until time.Time) {
	n.shut(j, func(l *lane) {
		if j.act.do == post {
			l.close(until)
			return
		}
		n.gates[j.act.do] = later(n.gates[j.act.do], until)
		l.status.RetryAt = n.gates[j.act.do]
	})
}

// shut changes the lane of a job.
func (n *Notifier) shut(j *job, change func(*lane)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(j.lane)
}

// blame shows an error at the channel.
func (n *Notifier) blame(j *job, o outcome, err error) {
	n.shut(j, func(l *lane) {
		l.status.LastError, l.status.ErrorAt = brief(err), j.now
		switch o {
		case refused, unclear, badChannel, badToken:
			l.status.Failures++
			if l.failing.IsZero() {
				l.failing = j.now
			}
		}
		if o == badChannel || o == badToken {
			l.status.Broken = true
		}
		if o == wait {
			l.status.Limited++
		}
	})
	n.log.Warn("call to a receiver failed", j.ids(), "do", string(j.act.do), "means", string(o), "err", brief(err))
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
