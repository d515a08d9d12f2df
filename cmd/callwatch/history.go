package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/stream"
)

// indexWait is how long a request waits for the index right after the start.
const indexWait = 2 * time.Second

// showWait is how long whoever did something waits for the index to show it.
const showWait = 500 * time.Millisecond

// history answers what API and console ask about what is stored.
type history struct {
	app       *app
	calls     *callIndex
	aliases   *callIndex // by the first further id of an event's call
	incidents *incidentIndex
	seen      senders
	workspace workspace
	elsewhere noted
	testing   sync.Mutex // one backtest at a time

	correcting sync.RWMutex
	corrected  eventlog.Corrections

	// replay normalizes dead letters again, all of them when ids is nil.
	replay func(ctx context.Context, ids []string) (backend.Replayed, error)

	callsReady, incidentsReady latch // the index has what was stored at the start
}

func newHistory(a *app) *history {
	h := &history{app: a, calls: newCallIndex(), aliases: newCallIndex(), incidents: newIncidentIndex(), corrected: eventlog.Corrections{}}
	h.callsReady, h.incidentsReady = newLatch(), newLatch()
	h.replay = func(ctx context.Context, ids []string) (backend.Replayed, error) {
		done, err := replayDeadLetters(ctx, a, ids)
		var unknown *handlers.Refusal
		if errors.As(err, &unknown) {
			err = fmt.Errorf("%w: %w", backend.ErrNotFound, unknown)
		}
		return done, err
	}
	return h
}

// backend is what the API and the console ask.
func (h *history) backend() *backend.History {
	return &backend.History{
		Events: h.events, Follow: h.follow, FollowIncidents: h.followIncidents, Ends: h.ends,
		Call: h.call, Explain: h.explain, Try: h.try, Backtest: h.backtest, Body: h.body,
		Incident: h.incident, DeadLetters: h.deadLetters, Status: h.status, Receivers: h.receivers,
		Replay: func(ctx context.Context, ids []string) (backend.Replayed, error) { return h.replay(ctx, ids) },
	}
}

// latch is a channel that is closed once, by whoever comes first.
type latch struct {
	once *sync.Once
	c    chan struct{}
}

func newLatch() latch    { return latch{new(sync.Once), make(chan struct{})} }
func (l latch) release() { l.once.Do(func() { close(l.c) }) }

// await waits a moment for the index to be complete and says whether it is.
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
func (h *history) indexEvents(ctx context.Context) error {
	ends, err := h.app.store.Ends(ctx)
	if err != nil {
		return err
	}
	if ends.Last < max(ends.First, h.calls.end(), 1) {
		h.callsReady.release()
	}
	return h.app.store.FollowHeaders(ctx, h.calls.end(), func(m stream.Message, left uint64) error {
		h.correcting.Lock()
		h.corrected.Note(&m)
		h.correcting.Unlock()
		if !m.Tick && !m.Mark && m.Kind() != eventlog.NoEvent {
			h.calls.add(m.Seq, h.calls.hash(call.Key{Provider: m.Provider(), CallID: m.CallID()}))
			if aliases := m.Aliases(); len(aliases) > 0 {
				h.aliases.add(m.Seq, h.aliases.hash(call.Key{Provider: m.Provider(), CallID: aliases[0]}))
			}
		}
		if left == 0 || m.Seq >= ends.Last {
			h.callsReady.release()
		}
		if m.Tick || m.Mark || !h.calls.full() {
			return nil
		}
		now, err := h.app.store.Ends(ctx)
		h.calls.forget(now.First)
		h.aliases.forget(now.First)
		return err
	})
}

// counts says whether a stored event is in force: neither it nor the one it
// corrects has been corrected since.
func (h *history) counts(m *stream.Message) bool {
	raw, _, ok := m.Raw()
	of, _ := m.Replaces()
	h.correcting.RLock()
	defer h.correcting.RUnlock()
	return m.Kind() != eventlog.NoEvent && (!ok || h.corrected.InForce(raw, of))
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
func (h *history) indexIncidents(ctx context.Context) error {
	ends, err := h.app.store.Ends(ctx)
	if err != nil {
		return err
	}
	if ends.LastTransition < max(h.incidents.end(), 1) {
		h.incidentsReady.release()
	}
	return h.app.store.FollowTransitions(ctx, h.incidents.end(), func(t stream.Transition) error {
		var n named
		if err := eventlog.Unmarshal(t.Data, &n); err != nil && json.Unmarshal(t.Data, &n) != nil {
			h.app.log.Error("stored transition cannot be read", "seq", t.Seq, "err", err)
		}
		in := &n.Incident
		calls := []uint64{h.calls.hash(in.Opening.Call), h.calls.hash(in.Latest.Call), h.calls.hash(in.Worst.Call)}
		for i := range in.Samples {
			calls = append(calls, h.calls.hash(in.Samples[i].Call))
		}
		h.incidents.add(t.Seq, in.ID, calls)
		if t.Seq >= ends.LastTransition {
			h.incidentsReady.release()
		}
		return nil
	})
}

// current waits until the index of incidents has what is stored now: whoever did
// something to one looks at it next. It waits a moment at most: the last one stored
// may be gone.
func (h *history) current(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, showWait)
	defer done()
	ends, err := h.app.store.Ends(ctx)
	for err == nil && h.incidents.end() <= ends.LastTransition {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (h *history) ends(ctx context.Context) (backend.Ends, error) {
	ends, err := h.app.store.Ends(ctx)
	return backend.Ends{Events: ends.Last, Transitions: ends.LastTransition}, err
}

// inForce are the rules that judge now.
func (h *history) inForce() *rules.Set { return h.app.judging.inForce() }

// notFound says in the seam's words that something is not stored.
func notFound(err error) error {
	if errors.Is(err, stream.ErrNotFound) {
		return fmt.Errorf("%w: %w", backend.ErrNotFound, err)
	}
	return err
}
