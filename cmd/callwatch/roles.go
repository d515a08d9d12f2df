package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"callwatch/notifier"
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

// leading makes a stage one that only the replica works on which has the role.
func (a *app) leading(role string, stage func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		return a.store.Lead(ctx, role, func(ctx context.Context) error {
			a.roles.set(role, true)
			defer a.roles.set(role, false)
			return stage(ctx)
		})
	}
}

// judge folds events into transitions. The replica that has the role stores
// them; the others fold along, so that each can answer what is asked about
// incidents, and store nothing. Who takes the role over begins at the last
// checkpoint, as after a restart: what the one before did not store is found again.
func (a *app) judge(ctx context.Context) error {
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	if !a.store.Alone() {
		follower.Go(func() {
			keep(following, a.log.With("stage", "follow"), func(ctx context.Context) error { return a.fold(ctx, false) })
		})
	}
	defer follower.Wait()
	defer stop()
	return a.leading(judgeRole, func(ctx context.Context) error {
		stop()
		follower.Wait()
		return a.fold(ctx, true)
	})(ctx)
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
