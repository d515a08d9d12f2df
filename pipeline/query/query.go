// Package query is the read side: events, calls and incidents as API and console ask
// for them, from an index in memory over what is stored. It imports stream, rules,
// call, notifier (for the address of a Slack thread) and the types that the
// handlers declare in handlers/backend.
package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/notifier"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// indexWait is how long a request waits for the index right after the start.
const indexWait = 2 * time.Second

// showWait is how long a write waits until the index shows it.
const showWait = 500 * time.Millisecond

// Config is what reading needs.
type Config struct {
	Store  *stream.Store
	Fold   call.Folding
	Rules  func() *rules.Set               // those in force
	Engine func(look func(*engine.Engine)) // does not call look before there is an engine
	Turns  Turns
	// Notifier is at work, or worked last.
	Notifier func() *notifier.Notifier
	// Undelivered lists the receivers in trouble that an incident waits for; nil: nobody
	// knows.
	Undelivered func(ctx context.Context, incident string) []backend.Undelivered
	// Workspace asks Slack for the address of a workspace of the settings.
	Workspace func(ctx context.Context, name string) (string, error)
	Log       *slog.Logger
}

// Reader answers what API and console ask about stored events, calls and incidents.
// Its indexes are built by its stages.
type Reader struct {
	cfg        Config
	calls      *callIndex
	aliases    *callIndex // by the first further id of an event's call
	incidents  *incidentIndex
	workspaces workspaces
	testing    sync.Mutex // one backtest at a time

	correcting sync.RWMutex
	corrected  eventlog.Corrections

	callsReady, incidentsReady latch // the index has what was stored at the start
}

// New makes a reader with empty indexes.
func New(c Config) *Reader {
	return &Reader{
		cfg: c, calls: newCallIndex(), aliases: newCallIndex(), incidents: newIncidentIndex(), corrected: eventlog.Corrections{},
		callsReady: newLatch(), incidentsReady: newLatch(), workspaces: workspaces{wanted: make(chan struct{}, 1), urls: map[string]string{}},
	}
}

// Backend is what API and console ask, less Status, Receivers and Replay.
func (r *Reader) Backend() *backend.History {
	return &backend.History{
		Events: r.events, Follow: r.follow, FollowIncidents: r.followIncidents, Ends: r.ends,
		Call: r.call, Explain: r.explain, Try: r.try, Turn: r.cfg.Turns.Take, Check: r.check, Backtest: r.backtest, Body: r.body,
		Incident: r.incident, DeadLetters: r.deadLetters,
	}
}

// Stages build the indexes and keep them up to date; they run on every replica.
func (r *Reader) Stages() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{"index-events": r.indexEvents, "index-incidents": r.indexIncidents, "find-workspaces": r.findWorkspaces}
}

// Indexed waits until the index has what was stored at the start.
func (r *Reader) Indexed(ctx context.Context) error {
	for _, l := range []latch{r.callsReady, r.incidentsReady} {
		select {
		case <-l.c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Watermark is the sequence of the last event that is indexed.
func (r *Reader) Watermark() uint64 { return max(r.calls.end(), 1) - 1 }

// latch is a channel that is closed once.
type latch struct {
	once *sync.Once
	c    chan struct{}
}

func newLatch() latch    { return latch{new(sync.Once), make(chan struct{})} }
func (l latch) release() { l.once.Do(func() { close(l.c) }) }

// await waits a moment for the index to be complete, and reports whether it is.
func (l latch) await(ctx context.Context) bool {
	late := time.NewTimer(indexWait)
	defer late.Stop()
	select {
	case <-l.c:
		return true
	case <-ctx.Done():
	case <-late.C:
	}
	return false
}

// indexEvents keeps the index of calls up to date, from headers alone.
func (r *Reader) indexEvents(ctx context.Context) error {
	ends, err := r.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	if ends.Last < max(ends.First, r.calls.end(), 1) {
		r.callsReady.release()
	}
	return r.cfg.Store.FollowHeaders(ctx, r.calls.end(), func(m stream.Message, left uint64) error {
		r.correcting.Lock()
		r.corrected.Note(&m)
		r.correcting.Unlock()
		if !m.Tick && !m.Action && m.Kind() != eventlog.NoEvent {
			k := call.Key{Provider: m.Provider(), Account: m.Account(), CallID: m.CallID()}
			r.calls.add(m.Seq, r.calls.hash(k))
			if aliases := m.Aliases(); len(aliases) > 0 {
				r.aliases.add(m.Seq, r.aliases.hash(k.With(aliases[0])))
			}
		}
		if left == 0 || m.Seq >= ends.Last {
			r.callsReady.release()
		}
		if m.Tick || m.Action || !r.calls.full() {
			return nil
		}
		now, err := r.cfg.Store.Ends(ctx)
		r.calls.forget(now.First)
		r.aliases.forget(now.First)
		return err
	})
}

// counts reports whether a stored event is in force: neither it nor the one that it
// corrects has been corrected since.
func (r *Reader) counts(m *stream.Message) bool {
	raw, _, ok := m.Raw()
	of, _ := m.Replaces()
	r.correcting.RLock()
	defer r.correcting.RUnlock()
	return m.Kind() != eventlog.NoEvent && (!ok || r.corrected.InForce(raw, of))
}

// named is the part of a transition that the index reads.
type named struct {
	Incident struct {
		ID      string      `json:"id"`
		Opening namedCall   `json:"opening"`
		Latest  namedCall   `json:"latest"`
		Worst   namedCall   `json:"worst"`
		Samples []namedCall `json:"samples"`
	} `json:"incident"`
}

type namedCall struct {
	Call call.Key `json:"call"`
}

// indexIncidents keeps the index of incidents up to date.
func (r *Reader) indexIncidents(ctx context.Context) error {
	ends, err := r.cfg.Store.Ends(ctx)
	if err != nil {
		return err
	}
	if ends.LastTransition < max(r.incidents.end(), 1) {
		r.incidentsReady.release()
	}
	return r.cfg.Store.FollowTransitions(ctx, r.incidents.end(), func(t stream.Transition) error {
		var n named
		if err := eventlog.Unmarshal(t.Data, &n); err != nil && json.Unmarshal(t.Data, &n) != nil {
			r.cfg.Log.Error("stored transition cannot be read", "seq", t.Seq, "err", err)
		}
		in := &n.Incident
		calls := []uint64{r.calls.hash(in.Opening.Call), r.calls.hash(in.Latest.Call), r.calls.hash(in.Worst.Call)}
		for i := range in.Samples {
			calls = append(calls, r.calls.hash(in.Samples[i].Call))
		}
		r.incidents.add(t.Seq, in.ID, calls)
		if t.Seq >= ends.LastTransition {
			r.incidentsReady.release()
		}
		return nil
	}, nil)
}

// Current waits until the index of incidents has what is stored now, so that a
// person sees what they did. It waits a moment at most: the last transition may be
// gone.
func (r *Reader) Current(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, showWait)
	defer done()
	ends, err := r.cfg.Store.Ends(ctx)
	for err == nil && r.incidents.end() <= ends.LastTransition {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (r *Reader) ends(ctx context.Context) (backend.Ends, error) {
	ends, err := r.cfg.Store.Ends(ctx)
	return backend.Ends{Events: ends.Last, Transitions: ends.LastTransition}, err
}

// notFound turns the store's error into the backend's.
func notFound(err error) error {
	if errors.Is(err, stream.ErrNotFound) {
		return fmt.Errorf("%w: %w", backend.ErrNotFound, err)
	}
	return err
}
