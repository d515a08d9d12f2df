package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/stream"
)

// judging is the engine with what others may read of it while it works.
type judging struct {
	arrivals
	opt rules.Options

	mu      sync.Mutex
	set     *rules.Set
	engine  *rules.Engine // nil until the stage has begun
	ordered *ordered      // nil: the engine has the rules that are wanted
	forget  []forgetting  // calls that were erased

	courtesy courtesy
	leads    atomic.Bool // the fold at work stores what it causes
}

func (j *judging) look(f func(*rules.Engine)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.engine != nil {
		f(j.engine)
	}
}

// inForce are the rules the engine has, or is to begin with.
func (j *judging) inForce() *rules.Set {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.set
}

// fold folds events into transitions and, if it leads, stores them. It begins at
// the last checkpoint: a transition that is stored already is recognized by its
// cause and not stored again.
func (a *app) fold(ctx context.Context, leads bool) error {
	engine, err := a.restoreEngine(ctx)
	if err != nil {
		return err
	}
	a.judging.mu.Lock()
	a.judging.engine = engine
	a.judging.mu.Unlock()
	a.judging.leads.Store(leads)
	defer a.judging.leads.Store(false)

	a.stats.judgedSeq.Store(engine.Seq())
	ctx, stop := context.WithCancel(ctx)
	var ticking sync.WaitGroup
	defer ticking.Wait()
	defer stop()
	if leads {
		ticking.Go(func() { a.tick(ctx) })
	}
	t := a.turn(&a.judging.courtesy)
	saved := saving{stored: engine.Seq(), seq: engine.Seq(), at: time.Now()}
	err = a.store.Follow(ctx, engine.Seq()+1, func(m stream.Message) error {
		var err error
		if engine, err = a.takeOrder(ctx, engine); err != nil {
			return err
		}
		if engine, err = a.takeForgetting(ctx, engine); err != nil {
			return err
		}
		t.rest(ctx)
		if err := a.judgeOne(ctx, engine, m); err != nil {
			return err
		}
		saved.stored = m.Seq
		a.judging.reached(m.Seq)
		return a.saveNowAndThen(ctx, &saved, engine)
	})
	if ctx.Err() == nil || !leads {
		return err
	}
	return errors.Join(err, a.saveLast(ctx, &saved, engine))
}

func (a *app) judgeOne(ctx context.Context, engine *rules.Engine, m stream.Message) error {
	if m.Past() { // history wakes no rule, whenever it is read
		a.stats.judged(true, 0, m.Seq)
		return nil
	}
	var e call.Event
	var action rules.Action
	var err error
	switch {
	case m.Mark:
		action, err = rules.ParseAction(m.Data)
	case !m.Tick:
		err = eventlog.Decode(m.Data, true, &e)
	}
	if err != nil {
		a.store.SkipEvent(&m, err)
		return nil
	}
	begun := time.Now()
	a.judging.mu.Lock()
	var made []rules.Transition
	switch {
	case m.Tick:
		made = engine.Tick(m.Seq, m.Time)
	case m.Mark:
		made = engine.Mark(m.Seq, m.Time, action)
	default:
		made = engine.Apply(m.Seq, m.Time, &e)
	}
	slow := engine.Slow()
	a.judging.mu.Unlock()
	leads := a.judging.leads.Load()
	if !leads { // the replica that leads finds and stores the same
		slow, made = nil, nil
	}
	if err := a.disableSlow(ctx, slow); err != nil {
		return err
	}
	event := !m.Tick && !m.Mark
	a.stats.judged(!event, time.Since(begun), m.Seq)
	a.judging.courtesy.did(1, cmp.Or(e.ReceivedAt, m.Time), a.arriving.total.Load())
	if event {
		a.traceJudged(&e, begun, made)
	}
	if a.console != nil && event {
		a.console.event(e)
	}
	if event && leads {
		a.log.LogAttrs(ctx, slog.LevelDebug, "event judged", slog.Any("", &e), slog.Int("transitions", len(made)))
	}
	for _, t := range made {
		if err := a.keepTransition(ctx, t, &e); err != nil {
			return err
		}
	}
	return nil
}

// disableSlow stores that rules are to be disabled: the engine finds it among the
// events, so that a replay disables them at the same place.
func (a *app) disableSlow(ctx context.Context, names []string) error {
	for _, name := range names {
		a.log.Error("rule is too slow and will be disabled", "rule", name)
		data, err := rules.Action{Do: rules.DisableRule, By: "callwatch", Rule: name}.JSON()
		if err == nil {
			_, err = a.store.PublishMark(ctx, data)
		}
		if err != nil {
			return fmt.Errorf("disable rule %s: %w", name, err)
		}
	}
	return nil
}

// keepTransition stores a transition that an event made; a tick's or a mark's has
// an empty one.
func (a *app) keepTransition(ctx context.Context, t rules.Transition, by *call.Event) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write transition: %w", err)
	}
	cause := stream.Cause{Seq: t.Cause.Seq, Index: t.Cause.Index}
	stored, err := a.store.PutTransition(ctx, t.Incident.Rule, t.Incident.Key(), cause, data)
	if err != nil {
		return fmt.Errorf("store transition of %s: %w", t.Incident.ID, err)
	}
	if stored {
		a.stats.transition(t)
		a.log.LogAttrs(ctx, slog.LevelInfo, "incident changed", slog.String("step", string(t.Step)), slog.String("incident", t.Incident.ID),
			slog.String("rule", t.Incident.Rule), slog.String("severity", string(t.Incident.Severity)), slog.String("summary", t.Incident.Summary), slog.Any("", by))
	}
	return nil
}

// tick puts a tick into the event stream when time alone will change something:
// the engine takes its time from the stream, so that a replay sees the same.
func (a *app) tick(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			var due time.Time
			a.judging.look(func(g *rules.Engine) { due = g.NextDeadline() })
			if due.IsZero() || due.After(now) {
				continue
			}
			if err := a.store.PublishTick(ctx, now.UTC()); err != nil && ctx.Err() == nil {
				a.log.Warn("no tick", "err", err)
			}
		}
	}
}
