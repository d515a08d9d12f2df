package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"callwatch/handlers"
	"callwatch/rules"
	"callwatch/stream"
	"callwatch/stream/natstest"
)

// ruleIn is the name of a rule of a shard.
func ruleIn(shard int) string {
	for n := 0; ; n++ {
		if name := fmt.Sprintf("bad-call-%d", n); shardOf(name) == shard {
			return name
		}
	}
}

// shardedRules are the same rule once in each shard.
func shardedRules() string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range shardCount {
		fmt.Fprintf(&b, "  - name: %s\n    when: packetsLost > 50 || mos < 3.5\n    by: [provider, callId]\n", ruleIn(i))
	}
	return b.String() + "routes:\n  - slack: \"#voice\"\n    storm: off\n"
}

// servers are a cluster for replicas that run in this process.
func servers(t *testing.T) *natstest.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts three servers")
	}
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

// reload gives a replica the same rules anew, for which it saves a checkpoint:
// one of before the last events where it has just begun anew itself.
func reload(t *testing.T, a *app) {
	t.Helper()
	set, problems := rules.Load("rules.yaml", []byte(shardedRules()))
	if problems.Errors() {
		t.Fatal(problems)
	}
	a.order(t.Context(), set)
}

// A checkpoint is not in force before every shard is stored through it: what a
// shard's holder had not stored when it died is found again.
func TestClusterCheckpointWaitsForAllShards(t *testing.T) {
	c := servers(t)
	// A holder that is alive and gets nothing done.
	entry := enter(t, c)
	idle, err := stream.Open(t.Context(), stream.Config{URL: entry.URL, Replicas: 3, Patience: openPatience, Log: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idle.Close(context.WithoutCancel(t.Context())) })
	const lame = 2
	var holds atomic.Bool
	died := make(chan error, 1)
	go func() {
		shard := stream.Shard{Role: shardRole(lame), Through: func() uint64 { return 0 }}
		died <- idle.LeadShard(t.Context(), shard, func(ctx context.Context, _ uint64) error {
			holds.Store(true)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	eventually(t, "the shard is held", holds.Load)

	a, stop := replicaOn(t, c, writeRules(t, shardedRules()))
	defer stop()
	eventually(t, "the replica has all that is to be had", func() bool {
		return a.shards.has(judgeDuty) && a.shards.has(shardDuty(0)) && a.shards.has(shardDuty(1)) && a.shards.has(shardDuty(3))
	})
	const calls = 5
	for i := range calls {
		put(t, a.store, birdCall(fmt.Sprint(2000+i), 2.5))
	}
	stored := func() []stream.Transition {
		all, err := a.store.LastTransitions(t.Context())
		if err != nil {
			t.Log(err) // servers that elect
		}
		return all
	}
	var found []stream.Transition
	eventually(t, "what the replica has to store is stored", func() bool { found = stored(); return len(found) == calls*(shardCount-1) })
	for _, tr := range found {
		if shardOf(tr.Rule) == lame {
			t.Errorf("%s is stored by who does not hold its shard", tr.Rule)
		}
	}
	checkpoint := func() (uint64, error) {
		return a.store.LoadCheckpoint(t.Context(), checkpointName, func(uint64, io.Reader) error { return nil })
	}
	eventually(t, "a checkpoint waits", func() bool {
		reload(t, a)
		w := a.judging.waiting.Load()
		return w != nil && len(w.behind) > 0
	})
	if w := a.judging.waiting.Load(); w != nil && !slices.Equal(w.behind, []string{shardRole(lame)}) {
		t.Errorf("it waits for %q", w.behind)
	}
	if seq, err := checkpoint(); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("a checkpoint at %d is in force, %v", seq, err)
	}

	if state, cause := a.standing(); state != handlers.Passing || !strings.Contains(cause, "judge, judge-0, judge-1, judge-3") {
		t.Errorf("readiness: %s, %s", state, cause)
	}
	if w := a.judging.waiting.Load(); w != nil {
		long := *w
		long.since = long.since.Add(-2 * lookLong)
		a.judging.waiting.Store(&long)
		if state, cause := a.standing(); state != handlers.Degraded || !strings.Contains(cause, shardRole(lame)) {
			t.Errorf("readiness, long after: %s, %s", state, cause)
		}
	}

	entry.Cut()
	eventually(t, "the shard is taken over and all is stored", func() bool { found = stored(); return len(found) == calls*shardCount })
	if err := <-died; !errors.Is(err, stream.ErrConflict) {
		t.Errorf("the holder that died ended with %v", err)
	}
	for _, tr := range found {
		if all, err := a.store.History(t.Context(), tr.Rule, tr.Key); err != nil || len(all) != 1 {
			t.Errorf("%s of %s has %d transitions, %v", tr.Rule, tr.Key, len(all), err)
		}
	}
	eventually(t, "a checkpoint is in force", func() bool {
		reload(t, a)
		seq, err := checkpoint()
		return err == nil && seq > calls
	})
}

// Shards go to replicas that come later, and all are there when replicas go.
func TestClusterShardsSpread(t *testing.T) {
	c := servers(t)
	file := writeRules(t, shardedRules())
	var replicas [3]*app
	var stops [3]func()
	running := func() (counts []int) {
		for _, a := range replicas {
			if a != nil {
				counts = append(counts, a.shards.count())
			}
		}
		slices.Sort(counts)
		return counts
	}
	spread := func(want ...int) {
		t.Helper()
		eventually(t, fmt.Sprintf("shards are spread as %d", want), func() bool { return slices.Equal(running(), want) })
	}
	for i, want := range [][]int{{4}, {2, 2}, {1, 1, 2}} {
		replicas[i], stops[i] = replicaOn(t, c, file)
		spread(want...)
	}
	calls := 0
	bad := func(n int) {
		for range n {
			put(t, replicas[2].store, birdCall(fmt.Sprint(3000+calls), 2.5))
			calls++
		}
	}
	bad(5)
	for i, want := range [][]int{{2, 2}, {4}} {
		replicas[i] = nil
		stops[i]()
		bad(5)
		spread(want...)
	}
	defer stops[2]()
	eventually(t, "every rule's incident of every call is stored", func() bool {
		all, err := replicas[2].store.LastTransitions(t.Context())
		return err == nil && len(all) == calls*shardCount
	})
	seen := 0
	err := replicas[2].store.StoredTransitions(t.Context(), func(stream.Transition) error { seen++; return nil })
	if err != nil || seen != calls*shardCount {
		t.Errorf("%d transitions for %d incidents, %v", seen, calls*shardCount, err)
	}
}

// A store that does not answer is no reason to judge everything again.
func TestCheckpointOfAStoreThatIsAway(t *testing.T) {
	c := servers(t)
	a, stop := replicaOn(t, c, writeRules(t, shardedRules()))
	defer stop()
	for i := range 3 {
		c.KillNode(i)
	}
	if g, err := a.restoreEngine(t.Context()); !errors.Is(err, stream.ErrUnavailable) || g != nil {
		t.Errorf("without servers: %v", err)
	}
	for i := range 3 {
		if err := c.StartNode(i); err != nil {
			t.Fatal(err)
		}
	}
}

// A call is erased where checkpoints are saved, and no replica that saves them
// later brings it back.
func TestClusterEraseCall(t *testing.T) {
	c := servers(t)
	file := writeRules(t, shardedRules())
	first, stopFirst := replicaOn(t, c, file)
	second, stopSecond := replicaOn(t, c, file)
	defer func() { stopSecond() }()
	eventually(t, "shards are spread", func() bool { return first.shards.count() == 2 && second.shards.count() == 2 })
	if !first.roles.holds(judgeRole) {
		first, second, stopFirst, stopSecond = second, first, stopSecond, stopFirst
	}
	for _, id := range []string{"4001", "4002"} {
		put(t, first.store, birdCall(id, 4.1))
	}
	knows := func(a *app) func() bool {
		return func() (known bool) {
			a.judging.look(func(g *rules.Engine) { known = g.Calls() == 2 })
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
	commanded := func(id string) (done erasure, err error) { // in a process of its own
		d := desk{cfg: first.cfg, log: testLogger(t)}
		params := url.Values{"provider": {"bird"}, "call": {"leg-" + id}}
		err = d.do(t.Context(), "erase", params, nil, &done, newProgress(io.Discard))
		return done, err
	}
	if done, err := commanded("4001"); err == nil || !strings.Contains(err.Error(), "--url") {
		t.Errorf("beside replicas at work: %+v, %v", done, err)
	}
	done, err := erase(first)
	if e, _ := done.(erasure); err != nil || e.Bodies != 1 || e.Events != 1 || !e.State {
		t.Fatalf("erased %+v, %v", done, err)
	}
	inForce := func() (text string) {
		_, err := second.store.LoadCheckpoint(t.Context(), checkpointName, func(_ uint64, r io.Reader) error {
			b, err := io.ReadAll(r)
			text = string(b)
			return err
		})
		if err != nil {
			t.Log(err)
		}
		return text
	}
	check := func(what string) {
		t.Helper()
		if text := inForce(); strings.Contains(text, "0104001") || !strings.Contains(text, "0104002") {
			t.Errorf("%s: the checkpoint holds %s", what, text)
		}
	}
	check("erased")
	eventually(t, "the second has forgotten the call", func() bool { return !knows(second)() })
	stopFirst()
	eventually(t, "the second saves checkpoints", func() bool { return second.shards.has(judgeDuty) })
	put(t, second.store, birdCall("4003", 4.1))
	eventually(t, "the next call is judged", knows(second))
	eventually(t, "the second saved one", func() bool {
		reload(t, second)
		return strings.Contains(inForce(), "0104003")
	})
	check("saved by the second")

	waits := birdCall("4004", 4.1)
	stopSecond()
	stopSecond = func() {}
	d := desk{cfg: first.cfg, log: testLogger(t)}
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
		told, err := third.store.Through(t.Context(), []string{judgeRole})
		return err == nil && told[0] == 2
	})
	defer stopThird()
	second = third
	eventually(t, "the third knows what is left", knows(third))
	if text := inForce(); strings.Contains(text, "0104002") || !strings.Contains(text, "0104003") {
		t.Errorf("erased with no replica at work: the checkpoint holds %s", text)
	}
}
