package slackpreview

import (
	"callwatch/call"
	"callwatch/rules"
)

// Feed is what the page /slack shows. Both methods may be called by many requests at once.
type Feed interface {
	// Snapshot is what the page shows now. It may share slices with later
	// snapshots: nobody changes them.
	Snapshot() Page
	// Changed is closed at the first change after the call: take it before the
	// snapshot, and none is missed.
	Changed() <-chan struct{}
}

// Page is what the page /slack shows, newest first.
type Page struct {
	Mode      string // "demo" or "dev"
	Notice    string // something that an operator has to fix; "" for nothing
	Counts    Counts
	Events    []call.Event
	Incidents []rules.Incident
	Threads   []Thread
}

// Counts are totals since the start.
type Counts struct {
	Webhooks  int64
	Events    int64
	Incidents int64
	Messages  int64
}

// What one page shows at most, however much the snapshot holds.
const (
	maxEvents    = 100
	maxIncidents = 50
	maxThreads   = 30
)

func (p Page) bounded() Page {
	p.Events = p.Events[:min(len(p.Events), maxEvents)]
	p.Incidents = p.Incidents[:min(len(p.Incidents), maxIncidents)]
	p.Threads = p.Threads[:min(len(p.Threads), maxThreads)]
	return p
}
