package notifier

import (
	"context"
	"time"
)

// Names and bounds for the tests of the package as a whole.
const (
	OpenedName = openedName
	MaxPage    = maxPage
	Calm       = calm
)

// PageKey is the key of an incident's page in the ledger.
func PageKey(incident, channel string) string { return pageKey(incident, channel) }

// DeliverOne makes the calls that are due once, and returns how many there were.
func (n *Notifier) DeliverOne(ctx context.Context) (calls int, next time.Time) {
	jobs, due := n.pick(n.now())
	for _, j := range jobs {
		n.deliver(ctx, j)
	}
	return len(jobs), due
}

// EndStorms ends the storms that are calm at a time.
func (n *Notifier) EndStorms(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endStorms(now)
}

// ListNames are the messages of the list of a storm with so many members, some of which
// the ledger knows.
func ListNames(sent map[string]Sent, members int) (names []string) {
	st := &storm{parts: listedBefore(sent)}
	for range members {
		st.members = append(st.members, member{text: "x"})
	}
	st.list(due)
	for _, l := range st.lines {
		names = append(names, l.Name)
	}
	return names
}

// UseSlack replaces the messenger.
func (n *Notifier) UseSlack(m Messenger) { n.workspaces[""].Messenger = m }
