package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/handlers"
	"callwatch/pipeline"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/stage"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
	"callwatch/stream"
	"callwatch/stream/natstest"
)

func clusterRuleNames() []string {
	return []string{"bad-call-0", "bad-call-1", "bad-call-2", "bad-call-3"}
}

// clusterRules are the same rule four times: four transitions for each bad call.
func clusterRules() string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for _, name := range clusterRuleNames() {
		fmt.Fprintf(&b, "  - name: %s\n    when: packetsLost > 50 || mos < 3.5\n    by: [provider, callId]\n", name)
	}
	return b.String() + "routes:\n  - slack: \"#voice\"\n    storm: off\n"
}

// servers are a cluster for replicas that run in this process.
func servers(t *testing.T) *natstest.Cluster {
	t.Helper()
	long(t)
	c, err := natstest.Start(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func enter(t *testing.T, c *natstest.Cluster) *natstest.Entry {
	t.Helper()
	e, err := c.Enter()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// replicaOn runs a replica in this process.
func replicaOn(t *testing.T, c *natstest.Cluster, rules string) (a *app, stop func()) {
	t.Helper()
	cfg := defaultConfig()
	cfg.DataDir, cfg.Listen, cfg.Rules = t.TempDir(), "127.0.0.1:0", rules
	cfg.NATS.URL, cfg.NATS.Replicas = enter(t, c).URL, 3
	return runApp(t, cfg, nil)
}

// reload gives a replica the same rules again, for which it saves a checkpoint:
// one of before the last events where it has itself just restarted.
func reload(t *testing.T, a *app) {
	t.Helper()
	set, problems := rulefmt.Load("rules.yaml", []byte(clusterRules()))
	if problems.Errors() {
		t.Fatal(problems)
	}
	a.judge.Replace(t.Context(), set)
}

// leader waits until one of the replicas has the judge lease, and returns it and
// the other one.
func leader(t *testing.T, first, second *app) (leads, follows *app) {
	t.Helper()
	eventually(t, "a replica has the judge lease", func() bool {
		switch {
		case first.judge.Leads():
			leads, follows = first, second
		case second.judge.Leads():
			leads, follows = second, first
		}
		return leads != nil
	})
	return leads, follows
}

// One replica stores transitions, all know the incidents. What the one that leads
// had not stored when it lost the lease is found again, from the last checkpoint.
func TestClusterJudgeTakesOver(t *testing.T) {
	t.Parallel()
	c := servers(t)
	file := writeRules(t, clusterRules())
	var replicas [2]*app
	var stops [2]func()
	for i := range replicas {
		replicas[i], stops[i] = replicaOn(t, c, file)
	}
	leads, follows := leader(t, replicas[0], replicas[1])
	stopLeader, stopFollower := stops[0], stops[1]
	if leads == replicas[1] {
		stopLeader, stopFollower = stopFollower, stopLeader
	}
	defer func() { stopFollower() }()
	calls := 0
	bad := func(n int) {
		for range n {
			put(t, follows.store, birdCall(fmt.Sprint(3000+calls), 2.5))
			calls++
		}
	}
	stored := func() bool {
		all, err := follows.store.LastTransitions(t.Context())
		return err == nil && len(all) == calls*len(clusterRuleNames())
	}
	open := func(a *app) (n int) {
		a.judge.Look(func(g *engine.Engine) { n = len(g.Incidents()) })
		return n
	}
	bad(5)
	eventually(t, "what the calls cause is stored", stored)
	eventually(t, "both replicas know the incidents", func() bool {
		return open(leads) == calls*len(clusterRuleNames()) && open(follows) == open(leads)
	})
	if follows.judge.Leads() || follows.leases.Holds(stage.JudgeLease) {
		t.Error("both replicas have the judge lease")
	}
	if cause := follows.leasesHeld(); strings.Contains(cause, stage.JudgeLease) {
		t.Errorf("readiness of the one that follows: %s", cause)
	}
	reload(t, leads) // saves a checkpoint
	bad(5)
	stopLeader()
	eventually(t, "the other one leads", func() bool { return follows.judge.Leads() })
	bad(5)
	eventually(t, "every rule's incident of every call is stored", stored)
	seen := 0
	err := follows.store.StoredTransitions(t.Context(), func(stream.Transition) error { seen++; return nil })
	if want := calls * len(clusterRuleNames()); err != nil || seen != want {
		t.Errorf("%d transitions for %d incidents, %v", seen, want, err)
	}
}

// Of the replicas that start only the first one ends a downtime: while one judges,
// another that joins says nothing about absence.
func TestClusterReplicaThatJoinsEndsNoDowntime(t *testing.T) {
	t.Parallel()
	c := servers(t)
	file := writeRules(t, clusterRules())
	first, stopFirst := replicaOn(t, c, file)
	defer stopFirst()
	eventually(t, "the first judges", first.judge.Leads)
	second, stopSecond := replicaOn(t, c, file)
	defer stopSecond()
	put(t, first.store, birdCall("5001", 4.1))
	eventually(t, "the second is at work", func() (knows bool) {
		second.judge.Look(func(g *engine.Engine) { knows = g.Calls() == 1 })
		return knows
	})
	resumed := 0
	err := first.store.StoredEvents(t.Context(), time.Time{}, func(m stream.Message, _ uint64) error {
		if m.Action {
			resumed++
		}
		return nil
	})
	if err != nil || resumed != 1 {
		t.Errorf("%d starts were stored, want 1; %v", resumed, err)
	}
}

// A replica that holds the lease and stores nothing holds up no other one for
// longer than the lease: what its events cause is stored by the one that takes over.
func TestClusterJudgeOfADeadHolder(t *testing.T) {
	t.Parallel()
	c := servers(t)
	entry := enter(t, c)
	idle, err := stream.Open(t.Context(), stream.Config{URL: entry.URL, Replicas: 3, Patience: openPatience, Log: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idle.Close(context.WithoutCancel(t.Context())) })
	var holds atomic.Bool
	died := make(chan error, 1)
	go func() {
		died <- idle.Hold(t.Context(), stream.Lease{Name: stage.JudgeLease}, func(ctx context.Context, _ uint64) error {
			holds.Store(true)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	eventually(t, "the lease is held", holds.Load)
	a, stop := replicaOn(t, c, writeRules(t, clusterRules()))
	defer stop()
	const calls = 5
	for i := range calls {
		put(t, a.store, birdCall(fmt.Sprint(2000+i), 2.5))
	}
	want := calls * len(clusterRuleNames())
	eventually(t, "the replica that follows knows the incidents", func() bool {
		n := 0
		a.judge.Look(func(g *engine.Engine) { n = len(g.Incidents()) })
		return n == want
	})
	stored := func() int {
		all, err := a.store.LastTransitions(t.Context())
		if err != nil {
			t.Log(err) // servers that elect
		}
		return len(all)
	}
	checkpoint := func() (uint64, error) {
		return a.store.LoadCheckpoint(t.Context(), pipeline.CheckpointName, func(uint64, io.Reader) error { return nil })
	}
	reload(t, a)
	if seq, err := checkpoint(); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("the replica that follows saved a checkpoint at %d, %v", seq, err)
	}
	if n := stored(); n != 0 {
		t.Errorf("the replica that follows stored %d transitions", n)
	}
	entry.Cut()
	eventually(t, "the lease is taken over and all is stored", func() bool { return stored() == want })
	if err := <-died; !errors.Is(err, stream.ErrConflict) {
		t.Errorf("the holder that died ended with %v", err)
	}
	eventually(t, "a checkpoint is in force", func() bool {
		reload(t, a)
		seq, err := checkpoint()
		return err == nil && seq > calls
	})
}

// A call is erased where checkpoints are saved, and no replica that saves them
// later brings it back.
func TestClusterEraseCall(t *testing.T) {
	t.Parallel()
	c := servers(t)
	file := writeRules(t, clusterRules())
	first, stopFirst := replicaOn(t, c, file)
	second, stopSecond := replicaOn(t, c, file)
	defer func() { stopSecond() }()
	if leads, _ := leader(t, first, second); leads != first {
		first, second, stopFirst, stopSecond = second, first, stopSecond, stopFirst
	}
	for _, id := range []string{"4001", "4002"} {
		put(t, first.store, birdCall(id, 4.1))
	}
	knows := func(a *app) func() bool {
		return func() (known bool) {
			a.judge.Look(func(g *engine.Engine) { known = g.Calls() == 2 })
			return known
		}
	}
	eventually(t, "the first knows the calls", knows(first))
	eventually(t, "the second knows the calls", knows(second))
	erase := func(a *app) (any, error) {
		return a.work(t.Context(), "erase", url.Values{"provider": {"bird"}, "call": {"leg-4001"}}, nil, func(int64, int64) {})
	}
	var refusal *handlers.Refusal
	if _, err := erase(second); !errors.As(err, &refusal) {
		t.Errorf("where no checkpoints are saved: %v", err)
	}
	commanded := func(id string) (done maintenance.Erased, err error) { // in a process of its own
		d := workplace{cfg: first.cfg, log: testLogger(t)}
		params := url.Values{"provider": {"bird"}, "call": {"leg-" + id}}
		err = d.do(t.Context(), "erase", params, nil, &done, cli.NewProgress(io.Discard))
		return done, err
	}
	if done, err := commanded("4001"); err == nil || !strings.Contains(err.Error(), "--url") {
		t.Errorf("beside replicas at work: %+v, %v", done, err)
	}
	done, err := erase(first)
	if e, _ := done.(maintenance.Erased); err != nil || e.Bodies != 1 || e.Events != 1 || !e.State {
		t.Fatalf("erased %+v, %v", done, err)
	}
	set, problems := rulefmt.Load("rules.yaml", []byte("rules: [{name: low, when: mos < 2}]"))
	if problems.Errors() {
		t.Fatal(problems)
	}
	inForce := func() (saved *engine.Engine) {
		_, err := second.store.LoadCheckpoint(t.Context(), pipeline.CheckpointName, func(_ uint64, r io.Reader) error {
			b, err := io.ReadAll(r)
			if err == nil {
				saved, err = engine.Restore(set, engine.Options{}, b)
			}
			return err
		})
		if err != nil {
			t.Log(err)
		}
		return saved
	}
	has := func(saved *engine.Engine, id string) bool {
		_, known := saved.Call(call.Key{Provider: "bird", CallID: "leg-" + id})
		return known
	}
	check := func(what string) {
		t.Helper()
		if saved := inForce(); saved == nil || has(saved, "4001") || !has(saved, "4002") {
			t.Errorf("%s: the checkpoint holds the erased call, or not the other", what)
		}
	}
	check("erased")
	eventually(t, "the second has forgotten the call", func() bool { return !knows(second)() })
	stopFirst()
	eventually(t, "the second saves checkpoints", second.judge.Leads)
	put(t, second.store, birdCall("4003", 4.1))
	eventually(t, "the next call is judged", knows(second))
	eventually(t, "the second saved one", func() bool {
		reload(t, second)
		saved := inForce()
		return saved != nil && has(saved, "4003")
	})
	check("saved by the second")

	waits := birdCall("4004", 4.1)
	stopSecond()
	stopSecond = func() {}
	d := workplace{cfg: first.cfg, log: testLogger(t)}
	a, err := d.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(t, a.store, waits) // not normalized yet
	if err := a.store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done, err := commanded("4002"); err != nil || done.Bodies != 1 || done.Events != 1 || !done.State {
		t.Errorf("with no replica at work: erased %+v, %v", done, err)
	}
	third, stopThird := replicaOn(t, c, file)
	eventually(t, "replicas are told of both erasures", func() bool {
		erased, err := third.store.Watermark(t.Context(), stage.JudgeLease)
		return err == nil && erased == 2
	})
	defer stopThird()
	second = third
	eventually(t, "the third knows what is left", knows(third))
	if saved := inForce(); saved == nil || has(saved, "4002") || !has(saved, "4003") {
		t.Error("erased with no replica at work: the checkpoint holds the erased call, or not the other")
	}
}
