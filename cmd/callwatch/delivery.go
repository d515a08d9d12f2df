package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"callwatch/handlers/backend"
	"callwatch/notifier"
	"callwatch/pipeline/stage"
)

const (
	receiversKey   = "receivers"     // in the delivery ledger: the state of delivery, for the other replicas
	receiversEvery = 5 * time.Second // noted, and read, at most this often
	receiversStale = time.Minute     // without a note: the replica that announced is gone
)

// receivers are where alerts go and whether they arrive. A replica that does not
// announce reads what the announcing one noted.
func (a *app) receivers(ctx context.Context) []backend.Receiver {
	if a.store.Alone() || a.leases.Holds(stage.AnnounceLease) {
		return receiversOf(a.announce.Notifier().Status())
	}
	return a.elsewhere.get(ctx, a.ledger.Load, time.Now()).Receivers
}

// undelivered lists the receivers in trouble that an incident waits for, on every
// replica.
func (a *app) undelivered(ctx context.Context, incident string) []backend.Undelivered {
	if a.store.Alone() || a.leases.Holds(stage.AnnounceLease) {
		return undeliveredOf(map[string][]notifier.Undelivered{incident: a.announce.Notifier().Undelivered(incident)})[incident]
	}
	return a.elsewhere.get(ctx, a.ledger.Load, time.Now()).Undelivered[incident]
}

func undeliveredOf(all map[string][]notifier.Undelivered) map[string][]backend.Undelivered {
	out := make(map[string][]backend.Undelivered, len(all))
	for id, list := range all {
		for _, u := range list {
			out[id] = append(out[id], backend.Undelivered(u))
		}
	}
	return out
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
func troubled(receivers []backend.Receiver) []string {
	var all []string
	for _, r := range receivers {
		if !r.Degraded {
			continue
		}
		text := r.Name + " does not accept messages: " + r.Cause
		if !r.Since.IsZero() {
			text += ", since " + r.Since.UTC().Format("15:04:05")
		}
		if !r.NextTry.IsZero() {
			text += ", next try " + r.NextTry.UTC().Format("15:04:05")
		}
		all = append(all, fmt.Sprintf("%s, %d waiting", text, r.Pending))
	}
	return all
}

// receiversNote is the state of delivery on the replica that announces.
type receiversNote struct {
	At        time.Time          `json:"at"`
	Receivers []backend.Receiver `json:"receivers"`
	// Undelivered are the receivers in trouble by incident, of mostNoted incidents at most.
	Undelivered map[string][]backend.Undelivered `json:"undelivered,omitempty"`
}

// mostNoted keeps a note well below maxReceiversNote.
const mostNoted = 500

// noteReceivers keeps the state of delivery in the ledger, where other replicas read
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
			note := receiversNote{now.UTC(), receiversOf(n.Status()), undeliveredOf(n.AllUndelivered(mostNoted))}
			if reflect.DeepEqual(note.Receivers, last.Receivers) && reflect.DeepEqual(note.Undelivered, last.Undelivered) && now.Sub(last.At) < receiversStale/2 {
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

// noted is the state of delivery on another replica, read every few seconds.
type noted struct {
	mu   sync.Mutex
	read time.Time
	note receiversNote
}

const maxReceiversNote = 1 << 20 // bytes

// get returns what the ledger has. A note that is old or cannot be read says
// nothing.
func (n *noted) get(ctx context.Context, load func(context.Context, string) ([]byte, uint64, error), now time.Time) receiversNote {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.read) < receiversEvery {
		return n.note
	}
	value, _, err := load(ctx, receiversKey)
	if err != nil {
		return n.note
	}
	var note receiversNote
	n.read, n.note = now, receiversNote{}
	if len(value) <= maxReceiversNote && json.Unmarshal(value, &note) == nil && now.Sub(note.At) < receiversStale {
		n.note = note
	}
	return n.note
}
