// Package slackpreview is the page of serve --dev and demo: the latest events and
// incidents, and the threads of a Slack workspace in memory. Mount adds its routes;
// notifier/slackfake is the workspace.
package slackpreview

import (
	"context"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// shownEvents and shownIncidents bound what the page shows.
const (
	shownEvents    = 200
	shownIncidents = 100
)

// Config is what the page shows beside calls, incidents and threads.
type Config struct {
	Mode string
	// Slack is the workspace that is shown; nil if a real Slack is configured.
	Slack *Workspace
	// Counts are webhooks, events and incidents since the start.
	Counts func() (webhooks, events, incidents int64)
	// Notice is a sentence about the rules file; "" for none.
	Notice func() string
}

// Preview gathers what the page shows.
type Preview struct {
	cfg Config

	mu        sync.Mutex
	events    []call.Event     // oldest first
	incidents []rules.Incident // oldest first, each once
	changed   chan struct{}
}

// New shows nothing yet.
func New(c Config) *Preview { return &Preview{cfg: c, changed: make(chan struct{})} }

// Event shows an event.
func (p *Preview) Event(e call.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Raw, e.Intervals, e.Turns, e.Counters = nil, nil, nil, nil
	if p.events = append(p.events, e); len(p.events) > shownEvents {
		p.events = append([]call.Event(nil), p.events[len(p.events)-shownEvents:]...)
	}
	p.touch()
}

// Incident shows an incident as it is now.
func (p *Preview) Incident(in rules.Incident) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := make([]rules.Incident, 0, len(p.incidents)+1)
	for _, old := range p.incidents {
		if old.ID != in.ID {
			next = append(next, old)
		}
	}
	next = append(next, in)
	p.incidents = next[max(0, len(next)-shownIncidents):]
	p.touch()
}

// touch tells the waiting pages that something changed. The lock is held.
func (p *Preview) touch() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Refresh has the waiting pages ask for a snapshot.
func (p *Preview) Refresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touch()
}

// Changed is closed at the next change.
func (p *Preview) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Snapshot is what the page shows now.
func (p *Preview) Snapshot() Page {
	p.mu.Lock()
	defer p.mu.Unlock()
	page := Page{Mode: p.cfg.Mode, Notice: p.cfg.Notice(), Events: newestFirst(p.events), Incidents: newestFirst(p.incidents)}
	page.Counts.Webhooks, page.Counts.Events, page.Counts.Incidents = p.cfg.Counts()
	if p.cfg.Slack != nil {
		page.Threads, page.Counts.Messages = p.cfg.Slack.threads()
	}
	return page
}

func newestFirst[T any](s []T) []T {
	out := make([]T, len(s))
	for i, v := range s {
		out[len(s)-1-i] = v
	}
	return out
}

// Watch passes on changes of the fake Slack until ctx ends.
func (p *Preview) Watch(ctx context.Context) {
	for {
		changed := p.cfg.Slack.server.Changed()
		select {
		case <-ctx.Done():
			return
		case <-changed:
			p.Refresh()
		}
		select { // several messages make one change
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
