package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"callwatch/pipeline/stage"
	"callwatch/rules"
)

// actionWait is how long Act waits for the engine.
const actionWait = 3 * time.Second

// Act makes an action of a person durable, for the engine to find among the events.
// It reports whether the engine has applied it: while it works off a backlog that
// comes later.
func (j *Judge) Act(ctx context.Context, action rules.Action) (applied bool, err error) {
	data, err := action.JSON()
	if err != nil {
		return false, err
	}
	if action.Do == rules.AddSilence {
		if err := j.Rules().CheckSilence(action.Silence); err != nil {
			return false, err
		}
	}
	seq, err := j.cfg.Store.PublishAction(ctx, data)
	if err != nil {
		return false, fmt.Errorf("store the %s: %w", action.Do, err)
	}
	silence := ""
	if action.Silence != nil {
		silence = action.Silence.ID
	}
	j.cfg.Log.Info("action stored", "do", string(action.Do), "by", action.By, "incident", action.Incident, "silence", silence)
	ctx, stop := context.WithTimeout(ctx, actionWait)
	defer stop()
	return j.reached.wait(ctx, seq), nil
}

// NoteStop stores the time at which callwatch stops, so that the downtime begins there
// and not at the engine's last input.
func (j *Judge) NoteStop(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, startWait)
	defer stop()
	if err := j.cfg.Store.PublishTick(ctx, time.Now()); err != nil {
		j.cfg.Log.Warn("stop not noted: the downtime counts from the latest event", "err", err)
	}
}

// startWait bounds how long the start waits for the store to note it.
const startWait = 6 * time.Second

// NoteStart stores that callwatch was started, before any stage stores an event: the
// time since the engine's last input is no absence of calls. Where another replica
// judges, nothing was missed.
func (j *Judge) NoteStart(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, startWait)
	defer stop()
	held, err := j.cfg.Store.Held(ctx, stage.JudgeLease)
	if held {
		return
	}
	if err != nil {
		j.cfg.Log.Warn("whether another replica judges is not known: the start is noted as the end of a downtime", "err", err)
	}
	data, err := rules.Action{Do: rules.Resume, By: "callwatch"}.JSON()
	if err == nil {
		_, err = j.cfg.Store.PublishAction(ctx, data)
	}
	if err != nil {
		j.cfg.Log.Warn("start not noted: the time callwatch was stopped may count as an absence of calls", "err", err)
	}
}

// watch lets others wait until a watermark has reached a sequence.
type watch struct {
	mu      sync.Mutex
	at      uint64
	waiting map[chan struct{}]uint64
}

// set raises the watermark.
func (w *watch) set(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = max(w.at, seq)
	for c, want := range w.waiting {
		if want <= w.at {
			close(c)
			delete(w.waiting, c)
		}
	}
}

// wait waits for a sequence; false if ctx ended before.
func (w *watch) wait(ctx context.Context, seq uint64) bool {
	w.mu.Lock()
	if w.at >= seq {
		w.mu.Unlock()
		return true
	}
	if w.waiting == nil {
		w.waiting = map[chan struct{}]uint64{}
	}
	c := make(chan struct{})
	w.waiting[c] = seq
	w.mu.Unlock()
	select {
	case <-c:
		return true
	case <-ctx.Done():
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiting, c)
		return false
	}
}
