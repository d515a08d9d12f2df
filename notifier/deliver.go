package notifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/slack-go/slack"

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
	if n.cfg.Observe != nil && j.act.do != "" {
		began := n.now()
		defer func() {
			n.cfg.Observe(Sending{Incident: j.page.Incident, Channel: j.page.Channel, What: string(j.act.do), Began: began, Ended: n.now()})
		}()
	}
	ctx = context.WithoutCancel(ctx)
	if j.unsaved && !n.save(ctx, j) {
		return
	}
	switch j.act.do {
	case post:
		n.post(ctx, j)
	case edit:
		n.edit(ctx, j)
	case look:
		n.look(ctx, j)
	case push:
		n.push(ctx, j)
	}
}

// post records the intent, posts, and records where. The deadline spans intent
// and post: a process that was stopped in between does not post what another
// one has posted by now.
func (n *Notifier) post(ctx context.Context, j *job) {
	attempt, cancel := context.WithTimeout(ctx, n.cfg.Timeout)
	defer cancel()
	name, m := j.act.line.name, n.content(j)
	s := j.page.Sent[name]
	s.State, s.Tried = attempting, j.now
	if s.At.IsZero() {
		s.At = j.now
	}
	if name == rootName {
		in := &j.want.incident
		j.page.Shows = shown{Mark: mark(in), Hash: hash(m), Cause: j.want.cause, At: j.now}
		j.page.Severity = in.Severity
	}
	j.page.Sent[name] = s
	if !n.save(ctx, j) {
		return
	}
	at, err := n.slack.post(attempt, j.channel(), j.rootTS(), m, j.tag())
	if o, after := outcomeOf(err); o != done {
		n.failed(ctx, j, o, after, err)
		return
	}
	n.arrived(ctx, j, at)
}

// arrived records where a message is.
func (n *Notifier) arrived(ctx context.Context, j *job, at place) {
	l := j.act.line
	s := j.page.Sent[l.name]
	s.State, s.TS, s.Error, s.Absent = delivered, at.TS, "", false
	j.page.Sent[l.name] = s
	j.page.ID = at.Channel
	if l.name == rootName && j.page.Severity == "" {
		j.page.Severity = openingSeverity(&j.want.incident)
	}
	if l.step == rules.StepEscalated && l.incident.Severity.Worse(j.page.Severity) {
		j.page.Severity = l.incident.Severity
	}
	if to, ok := adoptedTo(l.name); ok {
		j.page.Adopted = max(j.page.Adopted, to)
	}
	j.looks, j.search = 0, search{}
	n.succeeded(j, func(c *ChannelStatus) { c.Posted++ })
	n.log.Info("message posted", j.ids())
	n.save(ctx, j)
}

// edit makes the root show what is wanted now. It needs no intent: doing it
// twice is the same.
func (n *Notifier) edit(ctx context.Context, j *job) {
	m := n.root(&j.page, &j.want)
	err := n.slack.edit(ctx, place{j.page.ID, j.rootTS()}, m, tag{j.page.Incident, rootName})
	if o, after := outcomeOf(err); o != done {
		n.failed(ctx, j, o, after, err)
		return
	}
	j.page.Shows = shown{Mark: mark(&j.want.incident), Hash: hash(m), Cause: j.want.cause, At: j.now}
	n.succeeded(j, func(c *ChannelStatus) { c.Edited++ })
	n.log.Debug("message edited", j.ids())
	n.save(ctx, j)
}

// look finds out whether a message whose post ended unclear is there.
func (n *Notifier) look(ctx context.Context, j *job) {
	sent, read := j.page.Sent[j.act.line.name], j.search.pages
	j.search.since, j.search.until = j.span(sent)
	at, found, err := n.slack.find(ctx, j.channel(), j.rootTS(), j.tag(), &j.search)
	if err == nil || errors.Is(err, errTooMany) {
		j.search = search{}
	} else if j.search.pages > read { // it does answer
		n.shut(j, func(l *lane) { l.failures = 0 })
	}
	switch o, after := outcomeOf(err); {
	case forbidden(o, err) || errors.Is(err, errTooMany):
		// An incident that nobody hears of is worse than one told twice.
		n.log.Warn("cannot look whether a message was posted; posting it again", j.ids(), "err", brief(err))
		j.absent()
	case o == badContent || o == frozen: // says nothing about the message
		n.failed(ctx, j, unclear, 0, err)
	case o != done:
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
func (j *job) span(m sent) (since, until time.Time) {
	if m.State == attempting {
		return m.At.Add(-lookBack), m.Tried.Add(lookAhead)
	}
	since, until = j.want.incident.OpenedAt.Add(-lookBack), j.page.Doubt.Add(lookBack)
	if day := since.Add(lookAhead); j.act.line.name == rootName && day.Before(until) {
		until = day
	}
	return since, until
}

// forbidden says whether we may post but not read.
func forbidden(o outcome, err error) bool {
	var answer slack.SlackErrorResponse
	return o == badChannel || errors.As(err, &answer) && answer.Err == "missing_scope"
}

// content renders the message of a post.
func (n *Notifier) content(j *job) message {
	l := &j.act.line
	if l.name == rootName {
		return n.root(&j.page, &j.want)
	}
	return j.page.without(n.line(l, j.want.storm))
}

// line renders one reply.
func (n *Notifier) line(l *line, storm *stormView) message {
	switch {
	case l.step == stepListed:
		return n.writer.stormList(l)
	case l.step == rules.StepResolved && storm != nil:
		return n.writer.stormOver(storm, &l.incident)
	case l.step == rules.StepOpened:
		return n.writer.opening(&l.incident)
	case l.step == rules.StepEscalated:
		return n.writer.escalated(&l.incident, l.incident.Severity, l.at, l.reason)
	case l.step == rules.StepResolved:
		return n.writer.resolved(&l.incident)
	case l.step == rules.StepAdopted:
		return n.writer.adopted(l)
	default:
		return n.writer.said(l)
	}
}

func (n *Notifier) root(p *page, w *want) message {
	if w.storm != nil {
		return p.without(n.writer.storm(w.storm, &w.incident))
	}
	m := n.writer.root(&w.incident)
	if slices.Contains(p.Without, chartID) {
		m = n.writer.rootWithSparkline(&w.incident)
	}
	return p.without(m)
}

// hash tells contents of a root apart.
func hash(m message) string {
	b, err := json.Marshal(m)
	if err != nil {
		return "" // never: plain strings and slack-go's own types
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// channel to post into: Slack's id of it once known.
func (j *job) channel() string {
	if j.page.ID != "" {
		return j.page.ID
	}
	return j.page.Channel
}

// rootTS is the thread to reply to, "" for the root itself.
func (j *job) rootTS() string {
	if j.act.do != edit && j.act.line.name == rootName {
		return ""
	}
	return j.page.Sent[rootName].TS
}

func (j *job) tag() tag { return tag{j.page.Incident, j.act.line.name} }

// absent notes that the message at hand is not there, so that it is posted.
func (j *job) absent() {
	s := j.page.Sent[j.act.line.name]
	s.State, s.Absent = unsent, true
	j.page.Sent[j.act.line.name] = s
	j.looks, j.search = 0, search{}
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
			j.page, j.looks, j.search, j.unsaved = theirs, 0, search{}, false
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
