package notifier

import (
	"maps"
	"slices"
	"time"
)

// Status is how delivery stands.
type Status struct {
	Configured bool            `json:"configured"` // false: neither Slack nor an output, incidents are logged only
	Degraded   bool            `json:"degraded"`   // Slack by incoming webhook: no edits, threads or buttons
	Pending    int             `json:"pending"`    // incidents in a channel that are not shown as they are
	Settled    uint64          `json:"settled"`
	Channels   []ChannelStatus `json:"channels,omitempty"` // by name
}

// Broken says whether any channel takes nothing.
func (s Status) Broken() bool {
	return slices.ContainsFunc(s.Channels, func(c ChannelStatus) bool { return c.Broken })
}

// BrokenNames are the channels and outputs that take nothing.
func (s Status) BrokenNames() []string {
	var names []string
	for _, c := range s.Channels {
		if c.Broken {
			names = append(names, c.Channel)
		}
	}
	return names
}

// ChannelStatus is how delivery into one channel stands. Counts are since start.
type ChannelStatus struct {
	Channel   string    `json:"channel"` // as configured or routed
	Broken    bool      `json:"broken"`  // the latest answer was that it takes nothing from us
	LastOK    time.Time `json:"lastOk,omitzero"`
	LastError string    `json:"lastError,omitempty"`
	ErrorAt   time.Time `json:"errorAt,omitzero"`
	RetryAt   time.Time `json:"retryAt,omitzero"` // nothing is sent before
	Pending   int       `json:"pending"`
	Posted    int       `json:"posted"`
	Edited    int       `json:"edited"`
	Limited   int       `json:"limited"`         // answers 429
	Parked    int       `json:"parked"`          // messages given up
	Storm     string    `json:"storm,omitempty"` // id of the storm that is on
}

// Status is how delivery stands now.
func (n *Notifier) Status() Status {
	s := Status{Configured: n.slack != nil || len(n.sinks) > 0, Degraded: n.sinks[incomingKey] != nil, Settled: n.Settled()}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	pending := map[string]int{}
	for _, th := range n.threads {
		pending[th.page.Channel]++
	}
	s.Pending = len(n.threads)
	for _, name := range slices.Sorted(maps.Keys(n.lanes)) {
		l := n.lanes[name]
		c := l.status
		c.Pending = pending[name]
		if l.closed.After(now) {
			c.RetryAt = l.closed
		}
		if l.storm != nil {
			c.Storm = l.storm.id
		}
		s.Channels = append(s.Channels, c)
	}
	return s
}
