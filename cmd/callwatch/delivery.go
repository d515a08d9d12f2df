package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"callwatch/handlers/backend"
	"callwatch/notifier"
	"callwatch/pipeline"
)

const (
	receiversKey   = "receivers"     // in the delivery ledger: how delivery stands, for the other replicas
	receiversEvery = 5 * time.Second // noted, and read, at most this often
	receiversStale = time.Minute     // without a note: the replica that announced is gone
)

// receivers are where alerts go and whether they arrive. A replica that does not
// announce reads what the announcing one noted.
func (a *app) receivers(ctx context.Context) []backend.Receiver {
	if a.store.Alone() || a.leases.Holds(pipeline.AnnounceLease) {
		return receiversOf(a.announce.Notifier().Status())
	}
	return a.elsewhere.get(ctx, a.ledger.Load, time.Now())
}

func receiversOf(s notifier.Status) []backend.Receiver {
	list := make([]backend.Receiver, 0, len(s.Channels))
	for _, c := range s.Channels {
		r := backend.Receiver{Name: c.Channel, Degraded: c.Degraded, Since: c.Since, Pending: c.Pending}
		if c.Broken {
			r.Broken = c.LastError
		}
		if c.Degraded {
			r.Cause, r.NextTry = c.Trouble(), c.RetryAt
		}
		list = append(list, r)
	}
	return list
}

// troubled says of each degraded receiver what is wrong, in a line each.
func (a *app) troubled() []string {
	var all []string
	for _, c := range a.announce.Notifier().Status().Troubled() {
		text := c.Channel + " takes nothing: " + c.Trouble()
		if !c.Since.IsZero() {
			text += ", since " + c.Since.UTC().Format("15:04:05")
		}
		if !c.RetryAt.IsZero() {
			text += ", next try " + c.RetryAt.UTC().Format("15:04:05")
		}
		all = append(all, fmt.Sprintf("%s, %d waiting", text, c.Pending))
	}
	return all
}

// receiversNote is how delivery stands on the replica that announces.
type receiversNote struct {
	At        time.Time          `json:"at"`
	Receivers []backend.Receiver `json:"receivers"`
}

// noteReceivers keeps how delivery stands in the ledger, where other replicas read
// it, until ctx ends.
func (a *app) noteReceivers(ctx context.Context, n *notifier.Notifier) {
	every := time.NewTicker(receiversEvery)
	defer every.Stop()
	var last receiversNote
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			note := receiversNote{now.UTC(), receiversOf(n.Status())}
			if reflect.DeepEqual(note.Receivers, last.Receivers) && now.Sub(last.At) < receiversStale/2 {
				continue
			}
			_, rev, err := a.ledger.Load(ctx, receiversKey)
			if err != nil {
				continue
			}
			value, err := json.Marshal(note)
			if err != nil {
				continue
			}
			if _, ok, err := a.ledger.Save(ctx, receiversKey, value, rev); err == nil && ok {
				last = note
			}
		}
	}
}

// noted is how delivery stands on another replica, read every few seconds.
type noted struct {
	mu   sync.Mutex
	read time.Time
	list []backend.Receiver
}

const maxReceiversNote = 1 << 20 // bytes

// get returns what the ledger has. A note that is old or cannot be read says
// nothing.
func (n *noted) get(ctx context.Context, load func(context.Context, string) ([]byte, uint64, error), now time.Time) []backend.Receiver {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.read) < receiversEvery {
		return slices.Clone(n.list)
	}
	value, _, err := load(ctx, receiversKey)
	if err != nil {
		return slices.Clone(n.list)
	}
	var note receiversNote
	n.read, n.list = now, nil
	if len(value) <= maxReceiversNote && json.Unmarshal(value, &note) == nil && now.Sub(note.At) < receiversStale {
		n.list = note.Receivers
	}
	return slices.Clone(n.list)
}
