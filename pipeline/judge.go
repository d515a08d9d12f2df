package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/tombstone"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/stream"
)

// JudgeConfig is what the stage needs.
type JudgeConfig struct {
	Store   *stream.Store
	Leases  *stage.Leases
	Traffic *stage.Traffic
	Rules   *rules.Set // to begin with
	Engine  engine.Options
	Erased  *tombstone.Set   // calls whose events are not judged
	Recent  *eventlog.Recent // has events that need not be decoded; nil: none
	// Judged receives each event or tick that was judged.
	Judged func(Judgement)
	// Stored receives each transition that this replica stored.
	Stored func(rules.Transition)
	Log    *slog.Logger
}

// Judgement is one event, tick or action that the engine has judged.
type Judgement struct {
	Event *call.Event // nil: a tick or an action
	Begun time.Time
	Took  time.Duration
	Made  []rules.Transition // those that this replica stores
}

// Judge folds events into transitions. Every replica folds all events, so that each
// can answer what is asked about incidents; the one that holds the lease stores the
// transitions, the ticks and the checkpoints.
type Judge struct {
	cfg      JudgeConfig
	yielding stage.Yielding
	reached  watch
	judged   atomic.Uint64 // sequence of the last event or tick whose transitions are stored
	passed   atomic.Uint64 // the last foreign message
	leads    atomic.Bool   // the fold at work stores what it causes
	erased   atomic.Uint64 // calls that the holders of the lease have erased
	damaged  atomic.Bool   // damage took transitions that were not looked for yet
	lost     int           // places of damage in ALERTS whose transitions were stored again

	mu     sync.Mutex
	set    *rules.Set
	engine *engine.Engine // nil until the first fold has begun
	next   *replacement   // nil: the engine has the rules that are wanted
	erase  []erasure
}

// NewJudge makes the stage.
func NewJudge(c JudgeConfig) *Judge {
	c.Engine.Clock = threadTime
	return &Judge{cfg: c, set: c.Rules, yielding: stage.Yielding{Traffic: c.Traffic}}
}

// Watermark is the sequence of the last event that this replica has judged, and
// whose transitions are stored if it leads.
func (j *Judge) Watermark() uint64 { return j.judged.Load() }

// Passed is the sequence up to which this replica has read: the Watermark, or the
// last foreign message behind it.
func (j *Judge) Passed() uint64 { return max(j.judged.Load(), j.passed.Load()) }

// Leads reports whether this replica stores transitions.
func (j *Judge) Leads() bool { return j.leads.Load() }

// Look passes the engine to f, between two messages. Before the stage has begun
// there is none and f is not called.
func (j *Judge) Look(f func(*engine.Engine)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.engine != nil {
		f(j.engine)
	}
}

// Call is what the engine knows of a call; zero for nothing.
func (j *Judge) Call(k call.Key) (known call.Call) {
	j.Look(func(g *engine.Engine) {
		known, _ = g.Call(k)
		known.Event = known.Clone()
	})
	return known
}

// Rules are the rules that the engine has, or begins with.
func (j *Judge) Rules() *rules.Set {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.set
}

// Run judges events until ctx ends. A replica that takes the lease folds again from
// the last checkpoint: the holder before may not have stored what it caused since.
func (j *Judge) Run(ctx context.Context) error {
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	if !j.cfg.Store.Alone() {
		follower.Go(func() { stage.Keep(following, j.cfg.Log.With("stage", "judge-follower"), j.follow) })
	}
	defer follower.Wait()
	defer stop()
	lease := stream.Lease{Name: stage.JudgeLease, Watermark: j.erased.Load}
	return j.cfg.Leases.Hold(ctx, lease, func(ctx context.Context, erased uint64) error {
		stop()
		follower.Wait()
		j.erased.Store(max(j.erased.Load(), erased))
		return j.fold(ctx, true)
	})
}

// follow folds events and stores nothing. It begins again at the checkpoint when
// the holder of the lease has erased a call: the checkpoint no longer contains it.
func (j *Judge) follow(ctx context.Context) error {
	for {
		known, err := j.cfg.Store.Watermark(ctx, stage.JudgeLease)
		if err != nil {
			return err
		}
		folding, again := context.WithCancel(ctx)
		var watching sync.WaitGroup
		watching.Go(func() { j.watchErased(folding, known, again) })
		err = j.fold(folding, false)
		restart := folding.Err() != nil && ctx.Err() == nil
		again()
		watching.Wait()
		if !restart {
			return err
		}
	}
}

// fold folds events into transitions and, if it leads, stores them. It begins at
// the last checkpoint: a transition that is stored already is recognized by its
// cause and not stored again.
func (j *Judge) fold(ctx context.Context, leads bool) error {
	engine, err := j.restore(ctx)
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.engine = engine
	j.mu.Unlock()
	j.leads.Store(leads)
	defer j.leads.Store(false)
	j.judged.Store(engine.Seq())
	j.passed.Store(0)

	ctx, stop := context.WithCancel(ctx)
	var ticking sync.WaitGroup
	defer ticking.Wait()
	defer stop()
	if leads {
		ticking.Go(func() { j.tick(ctx) })
		if err := j.putBack(ctx, engine); err != nil {
			return err
		}
	}
	w := j.yielding.Pauser()
	saved := saving{stored: engine.Seq(), seq: engine.Seq(), at: time.Now()}
	err = j.cfg.Store.Follow(ctx, engine.Seq()+1, func(m stream.Message) error {
		var err error
		if engine, err = j.replaceRules(ctx, engine); err != nil {
			return err
		}
		if engine, err = j.eraseCalls(ctx, engine); err != nil {
			return err
		}
		w.Pause(ctx)
		if err := j.judge(ctx, engine, m); err != nil {
			return err
		}
		saved.stored = m.Seq
		j.judged.Store(m.Seq)
		j.reached.set(m.Seq)
		if leads && j.damaged.Swap(false) {
			if err := j.putBack(ctx, engine); err != nil {
				return err
			}
		}
		return j.saveIfDue(ctx, &saved, engine)
	}, j.passed.Store)
	if ctx.Err() == nil || !leads {
		return err
	}
	return errors.Join(err, j.saveLast(ctx, &saved, engine))
}

// judge judges one message and stores the transitions that it causes.
func (j *Judge) judge(ctx context.Context, engine *engine.Engine, m stream.Message) error {
	if m.Past() { // imports and corrections wake no rule, whenever they are read
		return nil
	}
	e := &call.Event{}
	var action rules.Action
	var err error
	switch {
	case m.Action:
		action, err = rules.ParseAction(m.Data)
	case !m.Tick:
		if made := j.cfg.Recent.Event(&m); made != nil {
			e = made
		} else {
			err = eventlog.Decode(m.Data, true, e)
		}
	}
	if err != nil {
		j.cfg.Store.SkipEvent(&m, err)
		return nil
	}
	if j.cfg.Erased.Of(e.Key(), e.Aliases) {
		return nil // it was read before it was erased
	}
	done := Judgement{Begun: time.Now()}
	j.mu.Lock()
	runtime.LockOSThread() // rules are measured by the time of their thread
	switch {
	case m.Tick:
		done.Made = engine.Tick(m.Seq, m.Time)
	case m.Action:
		done.Made = engine.Act(m.Seq, m.Time, action)
	default:
		done.Event, done.Made = e, engine.ApplyText(m.Seq, m.Time, e, m.Data)
	}
	slow := engine.Slow()
	runtime.UnlockOSThread()
	j.mu.Unlock()
	leads := j.leads.Load()
	if !leads { // the replica that leads finds and stores the same
		slow, done.Made = nil, nil
	}
	if err := j.disableSlow(ctx, slow); err != nil {
		return err
	}
	done.Took = time.Since(done.Begun)
	j.yielding.Did(1, cmp.Or(e.ReceivedAt, m.Time))
	j.cfg.Judged(done)
	if leads && done.Event != nil {
		j.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "event judged", slog.Any("", e), slog.Int("transitions", len(done.Made)))
	}
	for _, t := range done.Made {
		if err := j.store(ctx, t, e); err != nil {
			return err
		}
	}
	return nil
}

// disableSlow stores that rules are to be disabled: the engine finds it among the
// events, so that a replay disables them at the same place.
func (j *Judge) disableSlow(ctx context.Context, names []string) error {
	for _, name := range names {
		j.cfg.Log.Error("rule is too slow and will be disabled", "rule", name)
		data, err := rules.Action{Do: rules.DisableRule, By: "callwatch", Rule: name}.JSON()
		if err == nil {
			_, err = j.cfg.Store.PublishAction(ctx, data)
		}
		if err != nil {
			return fmt.Errorf("disable rule %s: %w", name, err)
		}
	}
	return nil
}

// store stores a transition that an event caused; a tick or an action has an empty
// event.
func (j *Judge) store(ctx context.Context, t rules.Transition, by *call.Event) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write transition: %w", err)
	}
	cause := stream.Cause{Seq: t.Cause.Seq, Index: t.Cause.Index}
	stored, err := j.cfg.Store.PutTransition(ctx, t.Incident.Rule, t.Incident.Key(), cause, data)
	if err != nil {
		return fmt.Errorf("store transition of %s: %w", t.Incident.ID, err)
	}
	if stored {
		j.cfg.Stored(t)
		j.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "incident changed", slog.String("step", string(t.Step)), slog.String("incident", t.Incident.ID),
			slog.String("rule", t.Incident.Rule), slog.String("severity", string(t.Incident.Severity)), slog.String("summary", t.Incident.Summary), slog.Any("", by))
	}
	return nil
}

// tick puts a tick into the event stream when time alone will change something:
// the engine takes its time from the stream, so that a replay sees the same.
func (j *Judge) tick(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	looked := 0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			var due time.Time
			j.Look(func(g *engine.Engine) { due = g.NextDeadline() })
			if n := j.cfg.Store.TransitionsLost(); n > looked {
				looked = n
				j.damaged.Store(true) // seen with the tick
			} else if due.IsZero() || due.After(now) {
				continue
			}
			if err := j.cfg.Store.PublishTick(ctx, now.UTC()); err != nil && ctx.Err() == nil {
				j.cfg.Log.Warn("cannot publish a tick", "err", err)
			}
		}
	}
}
