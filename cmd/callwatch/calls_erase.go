package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callwatch/call"
	"callwatch/rules"
	"callwatch/stream"
)

// erasure says what was erased of a call, and what was not.
type erasure struct {
	Provider    string   `json:"provider"`
	CallID      string   `json:"callId"`
	Bodies      int      `json:"bodies"`
	Events      int      `json:"events"`
	DeadLetters int      `json:"deadLetters"`
	State       bool     `json:"state"`   // of the rule engine knew the call
	Remains     []string `json:"remains"` // one sentence each
}

// erase removes what is stored about a call, here or with the roles it takes.
func (a *app) erase(ctx context.Context, params url.Values, progress func(done, total int64)) (done erasure, err error) {
	if a.server != nil || a.store.Alone() {
		return a.eraseCall(ctx, params, progress)
	}
	err = a.inCharge(ctx, func(ctx context.Context) error {
		done, err = a.eraseCall(ctx, params, progress)
		if err == nil {
			a.erased.Add(1) // replicas that come back learn of it
		}
		return err
	})
	return done, err
}

// eraseCall removes what is stored about a call. Bodies go first: as long as an
// event is there, the next run finds from which body it was made. It may be
// stopped anywhere and run again.
func (a *app) eraseCall(ctx context.Context, params url.Values, progress func(done, total int64)) (erasure, error) {
	k, err := callKey(params)
	if err != nil {
		return erasure{}, err
	}
	done := erasure{Provider: k.Provider, CallID: k.CallID, Remains: []string{}}
	if a.judging != nil && !a.roles.holds(judgeRole) {
		return done, refuse("another replica saves the state of the rules: ask the one whose callwatch_stage_held{stage=\"judge\"} is 1")
	}
	if a.server == nil {
		if err := a.settle(ctx, 0); err != nil {
			return done, err
		}
	}
	t := target{key: k, app: a, bodies: map[stream.Position]bool{}}
	if err := t.findEvents(ctx); err != nil {
		return done, fmt.Errorf("find the events of the call: %w", err)
	}
	if err := t.findBodies(ctx, progress); err != nil {
		return done, fmt.Errorf("find the bodies of the call: %w", err)
	}
	// A frame that is rewritten before it was normalized would be passed over.
	if err := a.settle(ctx, t.lastFrame); err != nil {
		return done, err
	}
	if done.Bodies, err = a.store.EraseRecords(ctx, t.found); err != nil {
		return done, err
	}
	for at := range t.bodies {
		gone, err := a.store.EraseDeadLetter(ctx, k.Provider, at)
		if err != nil {
			return done, err
		}
		if gone {
			done.DeadLetters++
		}
	}
	if err := a.store.EraseEvents(ctx, time.Now().UTC(), t.events); err != nil {
		return done, err
	}
	done.Events = len(t.events)
	if done.State, err = a.forgetCall(ctx, k); err != nil {
		return done, fmt.Errorf("remove the call from the state of the rules: %w", err)
	}
	done.Remains, err = t.remains(ctx)
	return done, err
}

// target is a call that is being erased.
type target struct {
	key       call.Key
	app       *app
	events    []uint64                 // their sequences
	bodies    map[stream.Position]bool // from which events were made, and those of which they are replays
	found     []stream.Position        // stored bodies
	lastFrame uint64
	shared    int // bodies that told of other calls too
}

func (t *target) findEvents(ctx context.Context) error {
	return t.app.store.EventsOf(ctx, t.key.Provider, func(m stream.Message) error {
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

// findBodies looks through all bodies: those that never became an event name the
// call only in their text.
func (t *target) findBodies(ctx context.Context, progress func(done, total int64)) error {
	id := t.key.CallID
	escaped, err := json.Marshal(id)
	if err != nil {
		return err
	}
	names := [][]byte{[]byte(id), bytes.Trim(escaped, `"`), []byte(url.QueryEscape(id)), []byte(url.PathEscape(id))}
	var total uint64
	return t.app.store.RecordsSince(ctx, time.Time{}, func(records []stream.Record, left uint64) error {
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
	events, err := t.app.safeEvents(r)
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
		out = append(out, fmt.Sprintf("%s told of other calls as well: the events of those stay, without their body.", plural(t.shared, "erased record")))
	}
	ids := map[string]bool{}
	err := eachIncident(ctx, t.app.store, func(in *rules.Incident) {
		if in.Names(t.key) {
			ids[in.ID] = true
		}
	})
	if len(ids) > 0 {
		out = append(out, fmt.Sprintf("%s keep what they showed of the call as evidence until their retention ends, here and in messages that were sent.", plural(len(ids), "incident")))
	}
	if t.app.judging != nil && !t.app.store.Alone() {
		out = append(out, "Other replicas keep what they know of the call in memory for some seconds more.")
	}
	out = append(out, "Events that other programs or backups copied are theirs.")
	return out, err
}

func callEraseCommand(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use: "erase PROVIDER CALL", Short: "Erase what is stored about a call", Args: cobra.ExactArgs(2),
		Long: "Erase the stored bodies of a call, its events and dead letters, and what the rules know of it: the bytes on the disk\n" +
			"are overwritten. What remains is said. " + deskHelp,
	}
	o, open := addOutput(c), addDesk(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		var done erasure
		bar := newProgress(c.ErrOrStderr())
		if err := d.do(c.Context(), "erase", url.Values{"provider": args[:1], "call": args[1:]}, nil, &done, bar); err != nil {
			return err
		}
		return printOne(c.OutOrStdout(), *o, done, func(w io.Writer) error {
			if done.Bodies+done.Events+done.DeadLetters == 0 && !done.State {
				fmt.Fprintf(w, "nothing is stored about %s of %s\n", printableText(done.CallID), printableText(done.Provider))
			} else {
				fmt.Fprintf(w, "erased of %s of %s: %s\n", printableText(done.CallID), printableText(done.Provider), strings.Join(done.parts(), ", "))
			}
			for _, line := range done.Remains {
				fmt.Fprintln(w, "remains: "+printableText(line))
			}
			return nil
		})
	}
	return c
}

func (e *erasure) parts() []string {
	parts := []string{plural(e.Bodies, "raw record"), plural(e.Events, "event"), plural(e.DeadLetters, "dead letter")}
	if e.State {
		parts = append(parts, "the state of the rules")
	}
	return parts
}
