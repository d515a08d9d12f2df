package notifier

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Status is the state of delivery.
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

// ChannelStatus is the state of delivery into one channel. Counts are since start.
type ChannelStatus struct {
	Channel   string    `json:"channel"`            // as configured or routed
	Broken    bool      `json:"broken"`             // the latest answer was that it takes nothing from us
	Degraded  bool      `json:"degraded"`           // broken, two failures in a row, or nothing delivered for a minute
	Since     time.Time `json:"since,omitzero"`     // when the trouble began
	Failures  int       `json:"failures,omitempty"` // in a row
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

// Status is the state of delivery now.
func (n *Notifier) Status() Status {
	s := Status{Configured: len(n.workspaces) > 0 || len(n.sinks) > 0, Degraded: n.sinks[incomingKey] != nil, Settled: n.Settled()}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	pending, waiting := map[string]int{}, map[string]time.Time{}
	for _, th := range n.threads {
		pending[th.page.Channel]++
		if w := th.waiting; !w.IsZero() && (waiting[th.page.Channel].IsZero() || w.Before(waiting[th.page.Channel])) {
			waiting[th.page.Channel] = w
		}
	}
	s.Pending = len(n.threads)
	for _, name := range slices.Sorted(maps.Keys(n.lanes)) {
		l := n.lanes[name]
		c := l.status
		c.Pending = pending[name]
		if l.closed.After(now) {
			c.RetryAt = l.closed
		}
		c.Degraded, c.Since = l.degraded(waiting[name], now)
		if l.storm != nil {
			c.Storm = l.storm.id
		}
		s.Channels = append(s.Channels, c)
	}
	return s
}

const (
	failuresDegrade = 2           // in a row
	waitDegrades    = time.Minute // without a delivery, while something is due
)

// degraded reports whether the receiver of the lane is in trouble, and since
// when. waiting is when the oldest delivery that is due became so.
func (l *lane) degraded(waiting, now time.Time) (bool, time.Time) {
	since := l.failing
	if !waiting.IsZero() {
		waiting = Later(waiting, l.status.LastOK)
		if since.IsZero() || waiting.Before(since) {
			since = waiting
		}
	}
	late := !waiting.IsZero() && now.Sub(waiting) >= max(waitDegrades, 2*l.posts.every)
	if l.status.Broken || l.status.Failures >= failuresDegrade || late {
		return true, since
	}
	return false, time.Time{}
}

// Trouble says what is wrong with a degraded receiver, in one line.
func (c *ChannelStatus) Trouble() string {
	if c.LastError != "" && c.ErrorAt.After(c.LastOK) {
		return c.LastError
	}
	return "nothing delivered for a minute"
}

// Undelivered is an incident that one of its receivers does not show as it is.
type Undelivered struct {
	Receiver  string    `json:"receiver"`
	Announced bool      `json:"announced"` // an earlier state of it was delivered
	Cause     string    `json:"cause"`
	Since     time.Time `json:"since"`
	NextTry   time.Time `json:"nextTry"`
}

// Undelivered lists the receivers in trouble that an incident waits for, by name.
func (n *Notifier) Undelivered(incident string) []Undelivered {
	return n.undelivered(incident, 1)[incident]
}

// AllUndelivered is Undelivered of all incidents, of at most so many.
func (n *Notifier) AllUndelivered(most int) map[string][]Undelivered { return n.undelivered("", most) }

// undelivered is of one incident, or of all where none is given.
func (n *Notifier) undelivered(incident string, most int) map[string][]Undelivered {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	all := map[string][]Undelivered{}
	for _, th := range n.threads {
		id := th.page.Incident
		if incident != "" && id != incident || len(all) >= most && all[id] == nil || th.waiting.IsZero() || th.waiting.After(now) {
			continue
		}
		l := n.lane(th.page.Channel)
		if degraded, _ := l.degraded(th.waiting, now); !degraded && l.status.Failures == 0 {
			continue
		}
		next := Later(n.due(th, now), now)
		if th.busy {
			next = now
		}
		all[id] = append(all[id], Undelivered{
			Receiver: th.page.Channel, Announced: th.page.Sent[rootName].State == delivered || th.page.Shows.State != "" && th.sink != nil,
			Cause: l.status.Trouble(), Since: th.waiting, NextTry: next,
		})
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b Undelivered) int { return strings.Compare(a.Receiver, b.Receiver) })
	}
	return all
}
