package maintenance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/phonetext"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/engine/checkpoint"
	"callwatch/stream"
	"callwatch/stream/events"
)

// Erased is what was erased of a call or of a number, and what was not.
type Erased struct {
	Provider    string     `json:"provider,omitempty"`
	Account     string     `json:"account,omitempty"`
	CallID      string     `json:"callId,omitempty"`
	Number      string     `json:"number,omitempty"` // E.164
	DryRun      bool       `json:"dryRun,omitempty"` // nothing was erased: it says what would be
	Calls       []call.Key `json:"calls"`            // by all their ids
	Bodies      int        `json:"bodies"`
	Events      int        `json:"events"`
	DeadLetters int        `json:"deadLetters"`
	Fetches     int        `json:"fetches"`     // of reports that were waited for
	Transitions int        `json:"transitions"` // of incidents, that were stored again without it
	State       bool       `json:"state"`       // of the rule engine knew the call
	Remains     []string   `json:"remains"`     // one sentence each
}

// None reports whether there was nothing to erase.
func (e *Erased) None() bool {
	return e.Bodies+e.Events+e.DeadLetters+e.Fetches+e.Transitions == 0 && !e.State
}

// erase removes what is stored about a call, or about all calls of a number. It may
// be stopped anywhere and run again: bodies go before events, because as long as an
// event is there the next run finds from which body it was made.
func (m *Maintenance) erase(ctx context.Context, params url.Values, progress Progress) (done Erased, err error) {
	t := target{m: m, done: &done, ids: map[call.Key]bool{}, bodies: map[stream.Position]bool{}, numbers: map[string]phonetext.Spelling{}}
	done = Erased{Provider: params.Get("provider"), Account: params.Get("account"), CallID: params.Get("call"), DryRun: params.Get("dry-run") == "true", Remains: []string{}}
	if number := params.Get("number"); number != "" {
		spelling, err := phonetext.ParseSpelling(number)
		switch {
		case err != nil:
			return done, &Refusal{Err: err}
		case done.Provider != "" || done.Account != "" || done.CallID != "":
			return done, refuse("either a call or a number is erased")
		}
		t.number, done.Number = &spelling, spelling.Number
		t.numbers[spelling.Number] = spelling
	} else if done.Provider == "" || done.CallID == "" {
		return done, refuse("a call is named by its provider and its id")
	} else {
		t.ids[call.Key{Provider: done.Provider, Account: done.Account, CallID: done.CallID}] = true
	}
	err = m.cfg.Stages.Exclusive(ctx, func(ctx context.Context) error { return t.erase(ctx, progress) })
	return done, err
}

// target is what is being erased.
type target struct {
	m    *Maintenance
	done *Erased

	number    *phonetext.Spelling           // nil: one call is erased
	ids       map[call.Key]bool             // of the calls, all of each
	numbers   map[string]phonetext.Spelling // that the calls name
	events    []uint64                      // their sequences
	bodies    map[stream.Position]bool      // from which events were made, and those of which they are replays
	found     []stream.Position             // stored bodies
	providers map[stream.Position]string
	lastFrame uint64
	shared    int // bodies that other calls share
}

func (t *target) erase(ctx context.Context, progress Progress) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
		dry  bool // also of a dry run
	}{
		{"find the calls of the number", t.findCalls, true},
		{"find the ids of the call", t.findIDs, true},
		{"keep what comes later out", func(ctx context.Context) error { return t.m.cfg.Tombstones.Add(ctx, t.done.Calls) }, false},
		{"find the events of the call", t.findEvents, true},
		{"find the bodies of the call", func(ctx context.Context) error { return t.findBodies(ctx, progress) }, true},
		// A frame that is rewritten before it was normalized would be skipped.
		{"wait for webhooks", func(ctx context.Context) error { return t.m.cfg.Stages.Normalized(ctx, t.lastFrame) }, false},
		{"find the events of the call", t.findEvents, false},
		{"erase bodies", t.eraseBodies, false},
		{"erase events", t.eraseEvents, false},
		{"erase fetches", t.eraseFetches, false},
		{"erase what was made of it", t.eraseDerived, false},
	} {
		if t.done.DryRun && !step.dry {
			continue
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if t.done.DryRun {
		t.done.Bodies, t.done.Events = len(t.found), len(t.events)
	}
	return nil
}

// findCalls finds the calls of a number: its events or bodies, or what incidents show
// of them, name it, in any spelling.
func (t *target) findCalls(ctx context.Context) error {
	if t.number == nil {
		return nil
	}
	err := t.m.cfg.Store.EventsSince(ctx, time.Time{}, func(m stream.Message) error {
		if m.CallID() != "" && t.names(m.Data) {
			t.ids[keyOf(&m)] = true
		}
		return ctx.Err()
	})
	if err == nil {
		err = t.eachEvidence(ctx, func(e *call.Event) error {
			own, err := t.isOf(e, false)
			if own {
				t.ids[e.Key()] = true
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	return t.m.cfg.Store.RecordsSince(ctx, time.Time{}, func(records []stream.Record, _ uint64) error {
		for i := range records {
			r := &records[i]
			if !t.names(r.Body) {
				continue
			}
			events, _ := t.m.cfg.Events(r) // a body that cannot be normalized is erased as it is
			for i := range events {
				if own, err := t.isOf(&events[i], len(events) == 1); err != nil {
					return err
				} else if own {
					t.ids[events[i].Key()] = true
				}
			}
		}
		return ctx.Err()
	}, func(*stream.Damage) {})
}

// names reports whether a text names the number; false where a call is erased.
func (t *target) names(text []byte) bool {
	return t.number != nil && t.number.In(phonetext.Read(string(text)))
}

// isOf reports whether an event from a body that names the number is of a call of the
// number: alone it is, of several those are that name it themselves.
func (t *target) isOf(e *call.Event, alone bool) (bool, error) {
	if alone {
		return true, nil
	}
	data, err := json.Marshal(e)
	return err == nil && t.names(data), err
}

// findIDs finds the other ids of the calls.
func (t *target) findIDs(ctx context.Context) error {
	for grown := true; grown; {
		grown = false
		providers := map[string]bool{}
		for k := range t.ids {
			providers[k.Provider] = true
		}
		for provider := range providers {
			err := t.m.cfg.Store.HeadersOf(ctx, provider, time.Time{}, func(m stream.Message) error {
				aliases := m.Aliases()
				of := keyOf(&m)
				if len(aliases) == 0 || !t.has(of, aliases) {
					return nil
				}
				for _, id := range append(aliases, of.CallID) {
					if k := of.With(id); !t.ids[k] {
						t.ids[k], grown = true, true
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	t.done.Calls = slices.SortedFunc(maps.Keys(t.ids), call.Key.Compare)
	return nil
}

// keyOf names the call of a stored event as its headers have it.
func keyOf(m *stream.Message) call.Key {
	return call.Key{Provider: m.Provider(), Account: m.Account(), CallID: m.CallID()}
}

// has reports whether a call of these ids is erased. Long ids are compared as headers
// have them.
func (t *target) has(of call.Key, aliases []string) bool {
	if t.ids[of] || slices.ContainsFunc(aliases, func(a string) bool { return t.ids[of.With(a)] }) {
		return true
	}
	for k := range t.ids {
		if cut := events.HeaderID(k.CallID); cut != k.CallID && k.With(cut) == of {
			return true
		}
	}
	return false
}

func (t *target) findEvents(ctx context.Context) error {
	t.events = nil
	if len(t.ids) == 0 {
		return nil
	}
	return t.m.cfg.Store.EventsOf(ctx, t.provider(), func(m stream.Message) error {
		if !t.has(keyOf(&m), m.Aliases()) {
			return nil
		}
		t.events = append(t.events, m.Seq)
		if raw, _, ok := m.Raw(); ok {
			t.bodies[raw] = true
		}
		if of, ok := m.Replaces(); ok {
			t.bodies[of] = true
		}
		var e call.Event
		if eventlog.Decode(m.Data, true, &e) == nil {
			return t.note(&e)
		}
		return nil
	})
}

// provider is the one of which all calls are; "" for several.
func (t *target) provider() string { return t.done.Provider }

// note takes down the parties of an event's call, and the numbers in all its texts.
func (t *target) note(e *call.Event) error {
	var parties []phonetext.Spelling
	for _, party := range []string{e.From, e.To} {
		if s, ok := phonetext.SpellingOf(party); ok {
			t.numbers[s.Number] = s
			parties = append(parties, s)
		}
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, _, err = call.RedactJSON(data, func(text string) string {
		for _, s := range phonetext.NumbersIn(text, parties...) {
			t.numbers[s.Number] = s
		}
		return text
	})
	return err
}

// findBodies reads all bodies: one that never became an event names the call only in
// its text.
func (t *target) findBodies(ctx context.Context, progress Progress) error {
	names, err := t.spellings()
	if err != nil {
		return err
	}
	t.providers = map[stream.Position]string{}
	for at := range t.bodies {
		t.providers[at] = t.provider()
	}
	var total uint64
	return t.m.cfg.Store.RecordsSince(ctx, time.Time{}, func(records []stream.Record, left uint64) error {
		total = max(total, left)
		progress(int64(total-left), int64(total)) //nolint:gosec // counts of messages
		for i := range records {
			r := &records[i]
			concerned, err := t.concerns(r, names[call.Source(r.Provider, r.Account)])
			if err != nil {
				return err
			}
			if concerned {
				t.found = append(t.found, r.At)
				t.bodies[r.At], t.bodies[r.Origin()] = true, true
				t.providers[r.At], t.providers[r.Origin()] = r.Provider, r.Provider
				t.lastFrame = max(t.lastFrame, r.At.Seq)
			}
		}
		return nil
	}, func(*stream.Damage) {})
}

// spellings are the ids of the calls of each account as bodies may have them.
func (t *target) spellings() (map[string][][]byte, error) {
	names := map[string][][]byte{}
	for k := range t.ids {
		escaped, err := json.Marshal(k.CallID)
		if err != nil {
			return nil, err
		}
		names[k.Source()] = append(names[k.Source()], []byte(k.CallID), bytes.Trim(escaped, `"`), []byte(url.QueryEscape(k.CallID)), []byte(url.PathEscape(k.CallID)))
	}
	return names, nil
}

func (t *target) concerns(r *stream.Record, names [][]byte) (bool, error) {
	made := t.bodies[r.At] || t.bodies[r.Origin()] || r.CallID != "" && t.ids[call.Key{Provider: r.Provider, Account: r.Account, CallID: r.CallID}] ||
		t.names(r.Body)
	if !made && !slices.ContainsFunc(names, func(name []byte) bool { return bytes.Contains(r.Body, name) }) {
		return false, nil
	}
	events, refused := t.m.cfg.Events(r)
	own, others := false, false
	for i := range events {
		e := &events[i]
		if t.has(e.Key(), e.Aliases) {
			own = true
			if err := t.note(e); err != nil {
				return false, err
			}
		} else {
			others = true
		}
	}
	if !made && !own && refused == nil && others {
		return false, nil // another call that refers to this one
	}
	if others {
		t.shared++
	}
	return true, nil
}

func (t *target) eraseBodies(ctx context.Context) (err error) {
	if t.done.Bodies, err = t.m.cfg.Store.EraseRecords(ctx, t.found); err != nil {
		return err
	}
	for at := range t.bodies {
		for _, p := range t.m.cfg.Providers {
			if known := t.providers[at]; known != "" && known != p.Name {
				continue
			}
			gone, err := t.m.cfg.Store.EraseDeadLetter(ctx, p.Name, at)
			if err != nil {
				return err
			}
			if gone {
				t.done.DeadLetters++
			}
		}
	}
	return nil
}

func (t *target) eraseEvents(ctx context.Context) error {
	t.done.Events = len(t.events)
	return t.m.cfg.Store.EraseEvents(ctx, time.Now().UTC(), t.events)
}

// eraseFetches removes what was still to be asked about the calls.
func (t *target) eraseFetches(ctx context.Context) error {
	accounts := map[call.Key]bool{}
	for k := range t.ids {
		accounts[k.With("")] = true
	}
	for of := range accounts {
		n, err := t.m.cfg.Store.EraseTasks(ctx, of.Source(), func(task stream.Task) bool {
			var job struct {
				Ask normalizer.Ask `json:"ask"`
			}
			return json.Unmarshal(task.Data, &job) == nil && t.ids[of.With(job.Ask.CallID)]
		})
		if err != nil {
			return err
		}
		t.done.Fetches += n
	}
	return nil
}

// eraseDerived removes the calls from what was made of their events, and the numbers
// that no stored call has any more; then it overwrites on the disk what was removed.
func (t *target) eraseDerived(ctx context.Context) (err error) {
	err = t.eachEvidence(ctx, func(e *call.Event) error {
		if !t.ids[e.Key()] {
			return nil
		}
		return t.note(e)
	})
	if err != nil {
		return err
	}
	what := checkpoint.Forgetting{Calls: t.done.Calls}
	if what.Redact, err = t.redaction(ctx); err != nil {
		return err
	}
	if t.done.State, err = t.m.cfg.Stages.Erase(ctx, what); err != nil {
		return fmt.Errorf("remove the call from the state of the rules: %w", err)
	}
	incidents := map[string]bool{}
	change := func(st stream.Transition) ([]byte, string, bool) { return without(st, what, incidents) }
	if t.done.Transitions, err = t.m.cfg.Store.RewriteTransitions(ctx, change); err != nil {
		return err
	}
	if what.Redact != nil {
		if err := t.eraseNumbers(ctx, what.Redact); err != nil {
			return err
		}
	}
	for _, further := range t.m.cfg.Further {
		remains, err := further.Erase(ctx, what)
		if err != nil {
			return err
		}
		t.done.Remains = append(t.done.Remains, remains...)
	}
	scrubbed := t.m.cfg.Store.Scrub(ctx)
	if scrubbed != nil && !errors.Is(scrubbed, stream.ErrExternal) {
		return scrubbed
	}
	t.remains(len(incidents), scrubbed == nil)
	return nil
}

// eachEvidence is about what incidents know of calls: their events and bodies may be
// gone long before.
func (t *target) eachEvidence(ctx context.Context, fn func(*call.Event) error) error {
	return t.m.cfg.Store.StoredTransitions(ctx, func(st stream.Transition) error {
		var tr rules.Transition
		if json.Unmarshal(st.Data, &tr) != nil {
			return nil // it is not ours
		}
		for e := range tr.Incident.Evidence() {
			if err := fn(&e.Call); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// redaction replaces the numbers that only the erased calls had; nil where there are
// none.
func (t *target) redaction(ctx context.Context) (func(string) string, error) {
	own := maps.Clone(t.numbers)
	if len(own) == 0 {
		return nil, nil
	}
	err := t.m.cfg.Store.EventsSince(ctx, time.Time{}, func(m stream.Message) error {
		if m.CallID() == "" {
			return ctx.Err()
		}
		text := phonetext.Read(string(m.Data))
		for number, spelling := range own {
			if (t.number == nil || number != t.number.Number) && spelling.In(text) {
				delete(own, number)
			}
		}
		return ctx.Err()
	})
	if err != nil || len(own) == 0 {
		return nil, err
	}
	var mark [4]byte
	_, _ = rand.Read(mark[:]) // it never fails
	list := slices.Collect(maps.Values(own))
	return func(text string) string {
		if _, err := time.Parse(time.RFC3339, text); err == nil { // its digits are no number
			return text
		}
		for i := range list {
			text = list[i].Replace(text, fmt.Sprintf("[erased %s-%d]", hex.EncodeToString(mark[:]), i))
		}
		return text
	}, nil
}

// without is a transition without what is to be forgotten. incidents are those that
// name one of the calls.
func without(st stream.Transition, what checkpoint.Forgetting, incidents map[string]bool) (data []byte, key string, changed bool) {
	data, key = st.Data, st.Key
	var t rules.Transition
	if json.Unmarshal(data, &t) == nil {
		for _, k := range what.Calls {
			changed = t.Forget(k) || changed
			if t.Incident.Names(k) {
				incidents[t.Incident.ID] = true
			}
		}
		if b, err := json.Marshal(t); changed && err == nil {
			data = b
		}
	}
	if what.Redact == nil {
		return data, key, changed
	}
	data, redacted, _ := call.RedactJSON(data, what.Redact) // what is no JSON is not ours
	key = what.Redact(key)
	return data, key, changed || redacted || key != st.Key
}

// eraseNumbers removes numbers from what people did, such as silences, and from the
// buckets, such as the delivery ledger.
func (t *target) eraseNumbers(ctx context.Context, redact func(string) string) error {
	var marks []uint64
	err := t.m.cfg.Store.Actions(ctx, func(m stream.Message) error {
		if _, found, err := call.RedactJSON(m.Data, redact); found || err != nil && redact(string(m.Data)) != string(m.Data) {
			marks = append(marks, m.Seq)
		}
		return nil
	})
	if err == nil {
		err = t.m.cfg.Store.EraseEvents(ctx, time.Now().UTC(), marks)
	}
	if err != nil {
		return err
	}
	_, err = t.m.cfg.Store.RewriteValues(ctx, func(value []byte) ([]byte, bool) {
		next, changed, err := call.RedactJSON(value, redact)
		if err != nil {
			text := redact(string(value))
			return []byte(text), text != string(value)
		}
		return next, changed
	})
	return err
}

// remains names the traces that erasing leaves.
func (t *target) remains(incidents int, scrubbed bool) {
	say := func(format string, args ...any) {
		t.done.Remains = append(t.done.Remains, fmt.Sprintf(format, args...))
	}
	if len(t.done.Calls) > 0 {
		say("A tombstone stays as long as the longest retention: a hash of each id of the call, so that what comes of it later is not kept.")
	}
	if t.shared > 0 {
		say("%s contained other calls as well: the events of those stay, without their body.", count(t.shared, "erased record"))
	}
	if incidents > 0 {
		say("%s keep the id of the call, times and conditions until the retention of incidents ends.", count(incidents, "incident"))
	}
	if t.m.cfg.Stages.Replicas() {
		say("Other replicas keep what they know of the call in memory for some seconds more.")
	}
	if !scrubbed {
		say("The NATS servers keep values that were replaced earlier in their files until they compact them.")
	}
	say("What was sent stays where it was sent: messages in Slack and other receivers.")
	say("Events that other programs or backups copied are theirs.")
}
