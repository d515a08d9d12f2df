package main

import (
	"context"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/pipeline/rulefile"
	"callwatch/pipeline/telemetry"
	"callwatch/rules"
)

// shownEvents and shownIncidents bound what the console remembers.
const (
	shownEvents    = 200
	shownIncidents = 100
)

// console gathers what the page at / shows.
type console struct {
	mode    string
	metrics *telemetry.Metrics
	slack   *fakeSlack // nil when a real Slack is configured
	rules   *rulefile.File

	mu        sync.Mutex
	events    []call.Event     // oldest first
	incidents []rules.Incident // oldest first, each once
	changed   chan struct{}
}

func newConsole(mode string, m *telemetry.Metrics, f *rulefile.File) *console {
	return &console{mode: mode, metrics: m, rules: f, changed: make(chan struct{})}
}

func (c *console) event(e call.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.Raw, e.Intervals, e.Counters = nil, nil, nil
	if c.events = append(c.events, e); len(c.events) > shownEvents {
		c.events = append([]call.Event(nil), c.events[len(c.events)-shownEvents:]...)
	}
	c.touch()
}

func (c *console) incident(in rules.Incident) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make([]rules.Incident, 0, len(c.incidents)+1)
	for _, old := range c.incidents {
		if old.ID != in.ID {
			next = append(next, old)
		}
	}
	next = append(next, in)
	c.incidents = next[max(0, len(next)-shownIncidents):]
	c.touch()
}

// touch tells the waiting pages that something changed. The lock is held.
func (c *console) touch() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// refresh has the waiting pages ask for a snapshot.
func (c *console) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touch()
}

// Changed is closed at the next change.
func (c *console) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Snapshot is what the page shows now.
func (c *console) Snapshot() handlers.Page {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := handlers.Page{Mode: c.mode, Notice: c.rules.Status().Trouble(), Events: newestFirst(c.events), Incidents: newestFirst(c.incidents)}
	p.Counts.Webhooks, p.Counts.Events, p.Counts.Incidents = c.metrics.Counts()
	if c.slack != nil {
		p.Threads, p.Counts.Messages = c.slack.threads()
	}
	return p
}

func newestFirst[T any](s []T) []T {
	out := make([]T, len(s))
	for i, v := range s {
		out[len(s)-1-i] = v
	}
	return out
}

// watch passes on changes of the fake Slack until ctx ends.
func (c *console) watch(ctx context.Context) {
	for {
		changed := c.slack.server.Changed()
		select {
		case <-ctx.Done():
			return
		case <-changed:
			c.refresh()
		}
		select { // several messages make one change
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
