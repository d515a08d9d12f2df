package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"callwatch/handlers"
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
	for i := range shardCount {
		r.held.WithLabelValues(shardRole(i)).Set(0)
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

// standing says which stages this replica works for, and whether those of others
// hold up the checkpoint.
func (a *app) standing() (handlers.State, string) {
	w := a.judging.waiting.Load()
	if w != nil && len(w.behind) > 0 && a.shards.has(judgeDuty) && time.Since(w.since) > lookLong {
		return handlers.Degraded, fmt.Sprintf("no checkpoint since %s: nobody works for %s, or not fast enough", w.since.UTC().Format(time.RFC3339), strings.Join(w.behind, ", "))
	}
	held := a.roles.all()
	if len(held) == 0 {
		return handlers.Passing, "others work for all stages"
	}
	return handlers.Passing, "here: " + strings.Join(held, ", ")
}

// leading makes a stage one that only the replica works on which has the role.
func (a *app) leading(role string, stage func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		shard := stream.Shard{Role: role}
		if role == normalizeRole { // the work of the desk waits for it on any replica
			shard.Through = a.normalizedHere
		}
		return a.store.LeadShard(ctx, shard, func(ctx context.Context, _ uint64) error {
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
	through, err := a.store.Through(ctx, []string{normalizeRole})
	if err != nil {
		return 0, err
	}
	return through[0], nil
}

// judge folds events into transitions. Each replica does, so that each can answer
// what is asked about incidents; what comes of it is stored by the one that has
// the role of the rule's shard.
func (a *app) judge(ctx context.Context) error {
	if a.store.Alone() {
		defer a.haveAll()()
		return a.fold(ctx, func() {})
	}
	// Roles are given back behind the fold's last checkpoint.
	holding, giveBack := context.WithCancel(context.WithoutCancel(ctx))
	var roles sync.WaitGroup
	defer roles.Wait()
	defer giveBack()
	a.lead(holding, &roles, stream.Shard{Role: judgeRole, Through: a.shards.erased.Load}, judgeDuty)
	for i := range shardCount {
		stored := func() uint64 { return a.shards.storedThrough(i) }
		a.lead(holding, &roles, stream.Shard{Role: shardRole(i), Through: stored, Sated: a.shards.sated}, shardDuty(i))
	}
	roles.Go(func() {
		keep(holding, a.log.With("stage", "spread"), func(ctx context.Context) error {
			return a.store.Attend(ctx, judgeRole, a.shards.count, func(others []int) {
				a.shards.spread(others)
				a.learnErased(ctx)
			})
		})
	})
	for {
		a.learnErased(ctx)
		folding, anew := context.WithCancel(ctx)
		err := a.fold(folding, anew)
		again := folding.Err() != nil && ctx.Err() == nil
		anew()
		if !again {
			return err
		}
	}
}

// learnErased notices that the replica which saves checkpoints has erased a call:
// what the checkpoint does not know any more, this one is not to know either.
func (a *app) learnErased(ctx context.Context) {
	erased, err := a.store.Through(ctx, []string{judgeRole})
	if err != nil {
		a.log.Debug("it is not known whether calls were erased", "err", err)
		return
	}
	a.shards.forget(erased[0])
}

// lead has this replica take a duty whenever its role is free.
func (a *app) lead(ctx context.Context, group *sync.WaitGroup, shard stream.Shard, d duties) {
	group.Go(func() {
		keep(ctx, a.log.With("role", shard.Role), func(ctx context.Context) error {
			for {
				err := a.store.LeadShard(ctx, shard, func(ctx context.Context, stored uint64) error {
					offered, offer := context.WithCancel(ctx)
					defer offer()
					a.shards.take(d, stored, offer)
					a.roles.set(shard.Role, true)
					<-offered.Done()
					a.shards.drop(d)
					a.roles.set(shard.Role, false)
					return ctx.Err()
				})
				if err != nil {
					return err
				}
			}
		})
	})
}

// haveAll has the only replica take all duties; drop ends them.
func (a *app) haveAll() (drop func()) {
	names := []string{judgeRole}
	for i := range shardCount {
		names = append(names, shardRole(i))
		a.shards.take(shardDuty(i), 0, func() {})
	}
	a.shards.take(judgeDuty, 0, nil)
	for _, name := range names {
		a.roles.set(name, true)
	}
	return func() {
		a.shards.drop(allShards | judgeDuty)
		for _, name := range names {
			a.roles.set(name, false)
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
