package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"callwatch/notifier"
	"callwatch/stream"
)

// openPatience is how long callwatch waits at its start for a NATS cluster that
// is still starting.
const openPatience = time.Minute

// The stages that one replica at a time works for. Webhooks are taken by all.
const (
	normalizeRole = "normalize"
	judgeRole     = "judge"
	announceRole  = "announce"
)

// roles tells which stages this replica works for.
type roles struct {
	held *prometheus.GaugeVec
	mu   sync.Mutex
	now  map[string]bool
}

func newRoles() *roles {
	r := &roles{now: map[string]bool{}, held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "callwatch_stage_held", Help: "1 where this replica works for the stage, 0 where another one does.",
	}, []string{"stage"})}
	for _, role := range []string{normalizeRole, judgeRole, announceRole} {
		r.held.WithLabelValues(role).Set(0)
	}
	return r
}

func (r *roles) holds(role string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now[role]
}

// all are the stages this replica works for, sorted.
func (r *roles) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var held []string
	for role, is := range r.now {
		if is {
			held = append(held, role)
		}
	}
	slices.Sort(held)
	return held
}

func (r *roles) set(role string, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now[role] = held
	value := 0.0
	if held {
		value = 1
	}
	r.held.WithLabelValues(role).Set(value)
}

// standing says which stages this replica works for.
func (a *app) standing() string {
	held := a.roles.all()
	if len(held) == 0 {
		return "others work for all stages"
	}
	return "here: " + strings.Join(held, ", ")
}

// leading makes a stage one that only the replica works on which holds its lease.
func (a *app) leading(role string, stage func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		lease := stream.Lease{Name: role}
		if role == normalizeRole { // maintenance on any replica waits for it
			lease.Watermark = a.normalizedHere
		}
		return a.store.Hold(ctx, lease, func(ctx context.Context, _ uint64) error {
			a.roles.set(role, true)
			defer a.roles.set(role, false)
			return stage(ctx)
		})
	}
}

// normalized is the last frame of which the events are stored, whichever replica
// makes them.
func (a *app) normalized(ctx context.Context) (uint64, error) {
	if a.store.Alone() || a.roles.holds(normalizeRole) {
		return a.normalizedHere(), nil
	}
	return a.store.Watermark(ctx, normalizeRole)
}

// judge folds events. Every replica does, so that each can answer what is asked
// about incidents; the one that holds the lease stores the transitions. When it
// takes the lease it folds again from the last checkpoint: the holder before may
// not have stored what it caused since.
func (a *app) judge(ctx context.Context) error {
	if a.store.Alone() {
		return a.leadJudging(ctx, 0)
	}
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { keep(following, a.log.With("stage", "judge-follower"), a.followJudging) })
	defer follower.Wait()
	defer stop()
	lease := stream.Lease{Name: judgeRole, Watermark: a.erased.Load}
	return a.store.Hold(ctx, lease, func(ctx context.Context, erased uint64) error {
		stop()
		follower.Wait()
		return a.leadJudging(ctx, erased)
	})
}

// leadJudging folds events and stores what they cause. erased is how many calls
// the holders before have erased.
func (a *app) leadJudging(ctx context.Context, erased uint64) error {
	a.erased.Store(max(a.erased.Load(), erased))
	a.roles.set(judgeRole, true)
	defer a.roles.set(judgeRole, false)
	return a.fold(ctx, true)
}

// followJudging folds events and stores nothing. It begins again at the checkpoint
// when the holder of the lease has erased a call, which the checkpoint does not
// contain any more.
func (a *app) followJudging(ctx context.Context) error {
	for {
		known, err := a.store.Watermark(ctx, judgeRole)
		if err != nil {
			return err
		}
		folding, again := context.WithCancel(ctx)
		var watching sync.WaitGroup
		watching.Go(func() { a.watchErased(folding, known, again) })
		err = a.fold(folding, false)
		restart := folding.Err() != nil && ctx.Err() == nil
		again()
		watching.Wait()
		if !restart {
			return err
		}
	}
}

// eraseEvery is how often a replica looks whether another one has erased a call.
const eraseEvery = 3 * time.Second

// watchErased calls found once more calls were erased than are known.
func (a *app) watchErased(ctx context.Context, known uint64, found func()) {
	every := time.NewTicker(eraseEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		erased, err := a.store.Watermark(ctx, judgeRole)
		if err != nil {
			a.log.Debug("it is not known whether calls were erased", "err", err)
			continue
		}
		if erased > known {
			found()
			return
		}
	}
}

// announce brings transitions to Slack.
func (a *app) announce(ctx context.Context) error {
	n := a.notifier.Load()
	if !a.store.Alone() {
		// What another replica has sent since we did is in the ledger, not in ours.
		n = notifier.New(a.announcing, a.ledger, time.Now, a.log)
		a.notifier.Store(n)
	}
	ctx, stop := context.WithCancel(ctx)
	var delivering sync.WaitGroup
	delivering.Go(func() { n.Run(ctx) })
	defer delivering.Wait()
	defer stop()
	return a.handOver(ctx, n)
}
