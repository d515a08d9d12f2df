package maintenance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"callwatch/call"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/stream"
)

// Erased is what was erased of a call, and what was not.
type Erased struct {
	Provider    string   `json:"provider"`
	CallID      string   `json:"callId"`
	Bodies      int      `json:"bodies"`
	Events      int      `json:"events"`
	DeadLetters int      `json:"deadLetters"`
	State       bool     `json:"state"`   // of the rule engine knew the call
	Remains     []string `json:"remains"` // one sentence each
}

// erase removes what is stored about a call. Bodies go first: as long as an event
// is there, the next run finds from which body it was made. It may be stopped
// anywhere and run again.
func (m *Maintenance) erase(ctx context.Context, params url.Values, progress Progress) (done Erased, err error) {
	k := call.Key{Provider: params.Get("provider"), CallID: params.Get("call")}
	if k.Provider == "" || k.CallID == "" {
		return done, refuse("a call is named by its provider and its id")
	}
	done = Erased{Provider: k.Provider, CallID: k.CallID, Remains: []string{}}
	err = m.cfg.Stages.Exclusive(ctx, func(ctx context.Context) error { return m.eraseCall(ctx, k, &done, progress) })
	return done, err
}

func (m *Maintenance) eraseCall(ctx context.Context, k call.Key, done *Erased, progress Progress) (err error) {
	t := target{key: k, m: m, bodies: map[stream.Position]bool{}}
	if err := t.findEvents(ctx); err != nil {
		return fmt.Errorf("find the events of the call: %w", err)
	}
	if err := t.findBodies(ctx, progress); err != nil {
		return fmt.Errorf("find the bodies of the call: %w", err)
	}
	// A frame that is rewritten before it was normalized would be skipped.
	if err := m.cfg.Stages.Normalized(ctx, t.lastFrame); err != nil {
		return err
	}
	if done.Bodies, err = m.cfg.Store.EraseRecords(ctx, t.found); err != nil {
		return err
	}
	for at := range t.bodies {
		gone, err := m.cfg.Store.EraseDeadLetter(ctx, k.Provider, at)
		if err != nil {
			return err
		}
		if gone {
			done.DeadLetters++
		}
	}
	if err := m.cfg.Store.EraseEvents(ctx, time.Now().UTC(), t.events); err != nil {
		return err
	}
	done.Events = len(t.events)
	if done.State, err = m.cfg.Stages.Erase(ctx, k); err != nil {
		return fmt.Errorf("remove the call from the state of the rules: %w", err)
	}
	done.Remains, err = t.remains(ctx)
	return err
}

// target is a call that is being erased.
type target struct {
	key       call.Key
	m         *Maintenance
	events    []uint64                 // their sequences
	bodies    map[stream.Position]bool // from which events were made, and those of which they are replays
	found     []stream.Position        // stored bodies
	lastFrame uint64
	shared    int // bodies that other calls share
}

func (t *target) findEvents(ctx context.Context) error {
	return t.m.cfg.Store.EventsOf(ctx, t.key.Provider, func(m stream.Message) error {
		if m.CallID() != t.key.CallID {
			return nil
		}
		t.events = append(t.events, m.Seq)
		if raw, _, ok := m.Raw(); ok {
			t.bodies[raw] = true
		}
		if of, ok := m.Replaces(); ok {
			t.bodies[of] = true
		}
		return nil
	})
}

// findBodies reads all bodies: one that never became an event names the call only in
// its text.
func (t *target) findBodies(ctx context.Context, progress Progress) error {
	id := t.key.CallID
	escaped, err := json.Marshal(id)
	if err != nil {
		return err
	}
	names := [][]byte{[]byte(id), bytes.Trim(escaped, `"`), []byte(url.QueryEscape(id)), []byte(url.PathEscape(id))}
	var total uint64
	return t.m.cfg.Store.RecordsSince(ctx, time.Time{}, func(records []stream.Record, left uint64) error {
		total = max(total, left)
		progress(int64(total-left), int64(total)) //nolint:gosec // counts of messages
		for i := range records {
			if r := &records[i]; r.Provider == t.key.Provider && t.concerns(r, names) {
				t.found = append(t.found, r.At)
				t.bodies[r.At], t.bodies[r.Origin()] = true, true
				t.lastFrame = max(t.lastFrame, r.At.Seq)
			}
		}
		return nil
	}, func(*stream.Damage) {})
}

func (t *target) concerns(r *stream.Record, names [][]byte) bool {
	made := t.bodies[r.At] || t.bodies[r.Origin()] || r.CallID == t.key.CallID
	named := made
	for _, name := range names {
		named = named || bytes.Contains(r.Body, name)
	}
	if !named {
		return false
	}
	events, err := t.m.cfg.Events(r)
	own, others := false, false
	for i := range events {
		own = own || events[i].CallID == t.key.CallID
		others = others || events[i].CallID != t.key.CallID
	}
	if !made && !own && err == nil && others {
		return false // another call that refers to this one
	}
	if others {
		t.shared++
	}
	return true
}

// remains are the traces that erasing leaves.
func (t *target) remains(ctx context.Context) ([]string, error) {
	out := []string{}
	if t.shared > 0 {
		out = append(out, fmt.Sprintf("%s contained other calls as well: the events of those stay, without their body.", count(t.shared, "erased record")))
	}
	ids := map[string]bool{}
	err := eventlog.EachIncident(ctx, t.m.cfg.Store, func(in *rules.Incident) {
		if in.Names(t.key) {
			ids[in.ID] = true
		}
	})
	if len(ids) > 0 {
		out = append(out, fmt.Sprintf("%s keep what they showed of the call as evidence until their retention ends, here and in messages that were sent.", count(len(ids), "incident")))
	}
	if t.m.cfg.Stages.Replicas() {
		out = append(out, "Other replicas keep what they know of the call in memory for some seconds more.")
	}
	out = append(out, "Events that other programs or backups copied are theirs.")
	return out, err
}
