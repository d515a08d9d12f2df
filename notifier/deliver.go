package notifier

import (
	"context"
	"time"

	"callwatch/notifier/delivery"
	"callwatch/rules"
)

const (
	holdFor     = time.Minute     // a broken channel or token is tried again this often
	giveUpAfter = 24 * time.Hour  // an incident that stood still for so long is not announced any more
	lookBack    = time.Minute     // clocks differ
	lookAhead   = 24 * time.Hour  // a clock may be that wrong; in a busy channel more is too much to read
	looksNeeded = 2               // in vain, before a message is posted again
	lookAgain   = 2 * time.Second // between them
)

// deliver does a job's action and takes in its result.
func (n *Notifier) deliver(ctx context.Context, j *job) {
	defer n.finish(j)
	if n.cfg.Observe != nil && j.act.Do != "" {
		began := n.now()
		defer func() {
			n.cfg.Observe(Sending{Incident: j.page.Incident, Channel: j.page.Channel, What: string(j.act.Do), Began: began, Ended: n.now()})
		}()
	}
	ctx = context.WithoutCancel(ctx)
	if j.unsaved && !n.save(ctx, j) {
		return
	}
	switch j.act.Do {
	case post:
		n.post(ctx, j)
	case edit:
		n.edit(ctx, j)
	case look:
		n.look(ctx, j)
	case Push:
		n.push(ctx, j)
	}
}

// post records the intent, posts, and records where. The deadline spans intent
// and post: a process that was stopped in between does not post what another
// one has posted by now.
func (n *Notifier) post(ctx context.Context, j *job) {
	attempt, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	name, c := j.act.Line.Name, n.content(j)
	m := j.workspace.Render(&c)
	s := j.page.Sent[name]
	s.State, s.Tried = attempting, j.now
	if s.At.IsZero() {
		s.At = j.now
	}
	if name == rootName {
		in := &j.want.Incident
		j.page.Shows = Shown{State: shownState(in), Hash: m.Digest(), Cause: j.want.Cause, At: j.now}
		j.page.Severity = in.Severity
	}
	j.page.Sent[name] = s
	if !n.save(ctx, j) {
		return
	}
	at, err := j.workspace.Post(attempt, j.channel(), j.rootTS(), m, j.tag())
	if o, after := delivery.OutcomeOf(err); o != delivery.Done {
		n.failed(ctx, j, o, after, err)
		return
	}
	n.arrived(ctx, j, at)
}

// arrived records where a message is.
func (n *Notifier) arrived(ctx context.Context, j *job, at Place) {
	l := j.act.Line
	s := j.page.Sent[l.Name]
	s.State, s.TS, s.Error, s.Absent = delivered, at.TS, "", false
	j.page.Sent[l.Name] = s
	j.page.ID = at.Channel
	if l.Name == rootName && j.page.Severity == "" {
		j.page.Severity = OpeningSeverity(&j.want.Incident)
	}
	if l.Step == rules.StepEscalated && l.Incident.Severity.Worse(j.page.Severity) {
		j.page.Severity = l.Incident.Severity
	}
	if to, ok := adoptedTo(l.Name); ok {
		j.page.Adopted = max(j.page.Adopted, to)
	}
	j.looks, j.search = 0, Search{}
	n.succeeded(j, func(c *ChannelStatus) { c.Posted++ })
	n.log.Info("message posted", j.ids())
	n.save(ctx, j)
}

// edit makes the root show what is wanted now. It needs no intent: doing it
// twice is the same.
func (n *Notifier) edit(ctx context.Context, j *job) {
	c := n.root(&j.page, &j.want)
	m := j.workspace.Render(&c)
	err := j.workspace.Edit(ctx, Place{j.page.ID, j.rootTS()}, m, Tag{j.page.Incident, rootName})
	if o, after := delivery.OutcomeOf(err); o != delivery.Done {
		n.failed(ctx, j, o, after, err)
		return
	}
	j.page.Shows = Shown{State: shownState(&j.want.Incident), Hash: m.Digest(), Cause: j.want.Cause, At: j.now}
	n.succeeded(j, func(c *ChannelStatus) { c.Edited++ })
	n.log.Debug("message edited", j.ids())
	n.save(ctx, j)
}

// look finds out whether a message whose post ended unclear is there.
func (n *Notifier) look(ctx context.Context, j *job) {
	sent, read := j.page.Sent[j.act.Line.Name], j.search.Pages
	j.search.Since, j.search.Until = j.span(sent)
	at, found, err := j.workspace.Find(ctx, j.channel(), j.rootTS(), j.tag(), &j.search)
	if err == nil {
		j.search = Search{}
	} else if j.search.Pages > read { // it does answer
		n.shut(j, func(l *lane) { l.failures = 0 })
	}
	switch o, after := delivery.OutcomeOf(err); {
	case o == delivery.Unreadable:
		// An incident that nobody hears of is worse than one told twice.
		n.log.Warn("cannot check whether a message was posted; posting it again", j.ids(), "err", err.Error())
		j.absent()
	case o == delivery.BadContent || o == delivery.NotEditable: // says nothing about the message
		n.failed(ctx, j, delivery.Unclear, 0, err)
	case o != delivery.Done:
		n.failed(ctx, j, o, after, err)
	case found:
		n.arrived(ctx, j, at)
	case sent.State == unsent: // long ago: once is enough
		j.absent()
		n.save(ctx, j)
	default:
		if j.looks++; j.looks < looksNeeded {
			j.notBefore = j.now.Add(lookAgain)
			return
		}
		j.absent()
	}
}

// span is the time in which a message was posted, if it was.
func (j *job) span(m Sent) (since, until time.Time) {
	if m.State == attempting {
		return m.At.Add(-lookBack), m.Tried.Add(lookAhead)
	}
	since, until = j.want.Incident.OpenedAt.Add(-lookBack), j.page.Doubt.Add(lookBack)
	if day := since.Add(lookAhead); j.act.Line.Name == rootName && day.Before(until) {
		until = day
	}
	return since, until
}

// content is that of a post.
func (n *Notifier) content(j *job) Content {
	if j.act.Line.Name == rootName {
		return n.root(&j.page, &j.want)
	}
	l := &j.act.Line
	return Content{Incident: &l.Incident, Line: l, Storm: j.want.storm, Without: j.page.Without, Plain: j.page.Plain}
}

// root is the content of the root as wanted.
func (n *Notifier) root(p *page, w *Want) Content {
	return Content{Incident: &w.Incident, Storm: w.storm, Without: p.Without, Plain: p.Plain}
}

// channel to post into: Slack's id of it once known.
func (j *job) channel() string {
	if j.page.ID != "" {
		return j.page.ID
	}
	_, channel := rules.SplitChannel(j.page.Channel)
	return channel
}

// rootTS is the thread to reply to, "" for the root itself.
func (j *job) rootTS() string {
	if j.act.Do != edit && j.act.Line.Name == rootName {
		return ""
	}
	return j.page.Sent[rootName].TS
}

func (j *job) tag() Tag { return Tag{j.page.Incident, j.act.Line.Name} }

// absent notes that the message at hand is not there, so that it is posted.
func (j *job) absent() {
	s := j.page.Sent[j.act.Line.Name]
	s.State, s.Absent = unsent, true
	j.page.Sent[j.act.Line.Name] = s
	j.looks, j.search = 0, Search{}
}

// save stores the job's page. False means that the action must not go on: the
// ledger is away, or another instance wrote the page and its version is taken.
func (n *Notifier) save(ctx context.Context, j *job) bool {
	ok, err := j.page.save(ctx, n.ledger)
	if err == nil && ok {
		j.unsaved = false
		return true
	}
	if err == nil {
		var theirs page
		if theirs, err = loadPage(ctx, n.ledger, j.page.Incident, j.page.Channel); err == nil {
			if theirs.damaged || theirs.rev == 0 { // the store has lost it, and we have it
				j.page.rev, j.page.bytes = theirs.rev, nil
				j.unsaved, j.notBefore = true, j.now
				return false
			}
			j.page, j.looks, j.search, j.unsaved = theirs, 0, Search{}, false
			j.notBefore = theirs.othersDone(n.cfg.Timeout)
			return false
		}
	}
	j.unsaved = true
	n.ledgerAway(j, err)
	return false
}

func (n *Notifier) ledgerAway(j *job, err error) {
	n.log.Error("delivery ledger not reachable", j.ids(), "err", err)
	n.shut(j, func(l *lane) { l.status.LastError, l.status.ErrorAt = "the delivery ledger does not answer", j.now })
	j.notBefore = j.now.Add(firstBackoff)
}
