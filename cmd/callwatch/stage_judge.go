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
	waiting  atomic.Pointer[waiting]
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

// fold folds events into transitions and stores those that this replica is to
// store. It begins at the last checkpoint: what it finds again is recognized by
// its cause and stored once. anew is called when there is more for it to store.
func (a *app) fold(ctx context.Context, anew func()) error {
	engine, err := a.restoreEngine(ctx)
	if err != nil {
		return err
	}
	a.judging.mu.Lock()
	a.judging.engine = engine
	a.judging.mu.Unlock()
	a.judging.waiting.Store(nil)
	a.shards.begin(engine.Seq(), anew)
	defer a.shards.end()

	a.stats.judgedSeq.Store(engine.Seq())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go a.tick(ctx)
	t := a.turn(&a.judging.courtesy)
	saved := saving{seq: engine.Seq(), at: time.Now()}
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
		a.shards.through.Store(m.Seq)
		a.judging.reached(m.Seq)
		return a.saveNowAndThen(ctx, &saved, engine)
	})
	if ctx.Err() == nil {
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
		err = decodeEvent(m.Data, true, &e)
	}
	if err != nil {
		a.log.Error("stored event cannot be read", "seq", m.Seq, "err", err)
		a.stats.damaged.Add(1)
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
	judges := a.shards.has(judgeDuty)
	if !judges {
		slow = nil // the replica that has the role comes to the same
	}
	made = a.shards.ours(made)
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
	if event && judges {
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
			if !a.shards.has(judgeDuty) {
				continue
			}
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
