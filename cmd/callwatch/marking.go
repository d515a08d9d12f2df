package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"callwatch/rules"
)

// markWait is how long whoever acts on an incident waits to see it done.
const markWait = 3 * time.Second

// mark makes what a person does to incidents durable, for the engine to find
// among the events. It says whether the engine has taken it in: while it works
// off a backlog that comes later.
func (a *app) mark(ctx context.Context, action rules.Action) (seen bool, err error) {
	data, err := action.JSON()
	if err != nil {
		return false, err
	}
	seq, err := a.store.PublishMark(ctx, data)
	if err != nil {
		return false, fmt.Errorf("store the %s: %w", action.Do, err)
	}
	silence := ""
	if action.Silence != nil {
		silence = action.Silence.ID
	}
	a.log.Info("incident marked", "do", string(action.Do), "by", action.By, "incident", action.Incident, "silence", silence)
	ctx, stop := context.WithTimeout(ctx, markWait)
	defer stop()
	if !a.judging.arrived(ctx, seq) {
		return false, nil
	}
	a.history.current(ctx)
	return true, nil
}

// startWait bounds how long the start waits for the store to note it.
const startWait = 5 * time.Second

// noteStart stores that callwatch was started, before any stage stores an event:
// what the engine missed since its last input is no absence of calls.
func (a *app) noteStart(ctx context.Context) {
	data, err := rules.Action{Do: rules.Resume, By: "callwatch"}.JSON()
	if err == nil {
		ctx, stop := context.WithTimeout(ctx, startWait)
		defer stop()
		_, err = a.store.PublishMark(ctx, data)
	}
	if err != nil {
		a.log.Warn("start not noted: the time callwatch was stopped may count as an absence of calls", "err", err)
	}
}

// arrivals lets others wait until the engine has come to a place.
type arrivals struct {
	mu      sync.Mutex
	at      uint64
	waiting map[chan struct{}]uint64
}

// reached says that everything up to a place is judged and stored.
func (r *arrivals) reached(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = max(r.at, seq)
	for c, want := range r.waiting {
		if want <= r.at {
			close(c)
			delete(r.waiting, c)
		}
	}
}

// arrived waits for a place; false when ctx ended before.
func (r *arrivals) arrived(ctx context.Context, seq uint64) bool {
	r.mu.Lock()
	if r.at >= seq {
		r.mu.Unlock()
		return true
	}
	if r.waiting == nil {
		r.waiting = map[chan struct{}]uint64{}
	}
	c := make(chan struct{})
	r.waiting[c] = seq
	r.mu.Unlock()
	select {
	case <-c:
		return true
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting, c)
		return false
	}
}
