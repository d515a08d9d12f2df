package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"callwatch/normalizer/simulate"
	"callwatch/pipeline/stage"
	"callwatch/stream/natstest"
)

const publicURL = "https://hooks.example.com"

// stages are all that one replica at a time works for.
func stages() []string {
	return []string{stage.NormalizeLease, stage.JudgeLease, stage.AnnounceLease}
}

// fleet is replicas of callwatch on one cluster of NATS servers, and a balancer
// in front that asks them in turn.
type fleet struct {
	t        *testing.T
	cluster  *natstest.Cluster
	slackURL string
	rules    string
	secrets  simulate.Secrets
	entries  []*natstest.Entry
	turn     atomic.Uint64
	refused  atomic.Int64 // answers after which a provider does not send again
	again    atomic.Int64 // requests sent again

	mu       sync.Mutex
	replicas []*process
}

func startFleet(t *testing.T, slackURL string, secrets simulate.Secrets, size int) *fleet {
	t.Helper()
	f := &fleet{t: t, cluster: servers(t), slackURL: slackURL, rules: writeRules(t, clusterRules()), secrets: secrets, replicas: make([]*process, size)}
	for i := range size {
		e := enter(t, f.cluster)
		f.entries = append(f.entries, e)
		f.start(i)
	}
	return f
}

func (f *fleet) start(i int) {
	f.t.Helper()
	p := start(f.t, f.t.TempDir(), f.rules, f.slackURL, f.secrets,
		"CALLWATCH_NATS_URL="+f.entries[i].URL, "CALLWATCH_NATS_REPLICAS=3", "CALLWATCH_PUBLIC_URL="+publicURL,
		"CALLWATCH_ADMIN_TOKEN="+adminToken)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas[i] = p
}

// stop ends a replica as an operator does.
func (f *fleet) stop(i int) {
	f.t.Helper()
	p := f.replica(i)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		f.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		f.t.Errorf("replica %d: %v\n%s", i, err, p.log)
	}
}

func (f *fleet) replica(i int) *process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.replicas[i]
}

// holder waits until a replica works for a stage, and says which.
func (f *fleet) holder(stage string, among ...int) (at int) {
	f.t.Helper()
	eventually(f.t, "a replica works for "+stage, func() bool {
		for _, i := range among {
			if f.replica(i).metric(`callwatch_stage_held{stage="`+stage+`"}`) == "1" {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

// sendAgain is how long one request is sent again: far longer than any fault lasts.
const sendAgain = 3 * time.Minute

// deliver sends a request to one replica after the other until one takes it.
func (f *fleet) deliver(ctx context.Context, client *http.Client, r *simulate.Request) {
	begun := time.Now()
	for try := 0; ctx.Err() == nil; try++ {
		if time.Since(begun) > sendAgain {
			f.t.Errorf("%s: no replica took the webhook for %v", r.Provider, sendAgain)
			return
		}
		if try > 0 {
			f.again.Add(1)
			time.Sleep(20 * time.Millisecond)
		}
		req, err := r.Sign(ctx, simulate.Target{URL: publicURL}, time.Now())
		if err != nil {
			f.t.Error(err)
			return
		}
		p := f.replica(int(f.turn.Add(1)) % len(f.replicas))
		req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(p.base, "http://")
		res, err := client.Do(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		switch {
		case res.StatusCode == http.StatusOK:
			return
		case res.StatusCode < 500:
			f.refused.Add(1)
			f.t.Errorf("%s: answered %d", r.Provider, res.StatusCode)
			return
		}
	}
}

// deliverAll sends requests from a few senders, and returns when all are taken.
func (f *fleet) deliverAll(requests []simulate.Request) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	queue := make(chan *simulate.Request)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for r := range queue {
				f.deliver(f.t.Context(), client, r)
			}
		})
	}
	for i := range requests {
		queue <- &requests[i]
		time.Sleep(time.Millisecond) // a flow, so that faults fall into it
	}
	close(queue)
	all.Wait()
}

// during sends requests while something happens.
func (f *fleet) during(requests []simulate.Request, happens func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.deliverAll(requests)
	}()
	happens()
	<-done
}

// settled waits until nothing is left to do in any stage, on any replica.
func (f *fleet) settled(among ...int) {
	f.t.Helper()
	idle := func(i int, stage string) bool {
		return f.replica(i).metric(`callwatch_backlog_messages{stage="`+stage+`"}`) == "0"
	}
	const limit = 2 * time.Minute
	for _, name := range stages() {
		within(f.t, limit, name+" has nothing left to do", func() bool { return idle(f.holder(name, among...), name) })
		for _, i := range among { // each folds all events
			within(f.t, limit, "judge has nothing left to do", func() bool { return name != stage.JudgeLease || idle(i, name) })
		}
	}
}

// Webhooks to two replicas on a cluster of three servers, while everything
// breaks that may: what one undisturbed callwatch announces is announced, once.
func TestClusterOfReplicas(t *testing.T) {
	long(t)
	t.Parallel()
	secrets := testSecrets(t)
	requests := traffic(t, secrets, 400)
	requests = slices.DeleteFunc(requests, func(r simulate.Request) bool { return r.Expect == simulate.Refused })
	calm, calmURL := fakeSlackServer(t)
	undisturbed := start(t, t.TempDir(), writeRules(t, clusterRules()), calmURL, secrets)
	undisturbed.send(slices.Values(requests))
	undisturbed.settled()
	undisturbed.kill()
	want := openedThreads(calm)

	slack, slackURL := fakeSlackServer(t)
	f := startFleet(t, slackURL, secrets, 2)
	c := f.cluster
	parts := slices.Collect(slices.Chunk(requests, len(requests)/7+1))
	took := func(what string, begun time.Time) {
		t.Logf("%s after %v", what, time.Since(begun).Round(time.Millisecond))
	}

	takenOver := func(what string, victim int, begun time.Time) {
		for _, stage := range stages() {
			f.holder(stage, 1-victim)
			took(what+": "+stage+" is taken over", begun)
		}
	}
	f.during(parts[0], func() {
		first := f.holder("judge", 0, 1)
		f.replica(first).kill()
		takenOver("a replica killed", first, time.Now())
		f.start(first)
	})
	f.during(parts[6], func() {
		first := f.holder("judge", 0, 1)
		thaw := freeze(t, f.replica(first).cmd.Process) // afterwards it goes on as if it still had them
		takenOver("a replica frozen", first, time.Now())
		thaw()
	})
	f.during(parts[1], func() {
		for i := range 2 { // rolling restart
			f.stop(i)
			begun := time.Now()
			f.holder("judge", 1-i)
			took("a replica stopped: judge is taken over", begun)
			f.start(i)
		}
	})
	if n := f.refused.Load(); n > 0 {
		t.Errorf("%d requests failed for good", n)
	}
	f.during(parts[2], func() {
		first := f.holder("announce", 0, 1)
		f.entries[first].Cut()
		begun := time.Now()
		f.holder("announce", 1-first)
		took("a replica cut off: announce is taken over", begun)
		f.entries[first].Heal()
	})
	f.during(parts[3], func() {
		c.KillNode(0)
		if err := c.StartNode(0); err != nil {
			t.Fatal(err)
		}
		if err := c.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	f.during(parts[4], func() {
		c.Cut(1)
		time.Sleep(5 * time.Second) // the length of the fault, not a wait for a result
		c.Heal()
	})
	f.during(parts[5], func() {
		for i := range 3 {
			c.KillNode(i)
		}
		for i := range 2 {
			eventually(t, "the replica says that the store is away", func() bool {
				res, err := http.Get(f.replica(i).base + "/readyz")
				if err != nil {
					return false
				}
				_ = res.Body.Close()
				return res.StatusCode == http.StatusServiceUnavailable
			})
		}
		time.Sleep(5 * time.Second)
		for i := range 3 {
			if err := c.StartNode(i); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		eventually(t, "webhooks are taken again", func() bool {
			res, err := http.Get(f.replica(0).base + "/readyz")
			if err != nil {
				return false
			}
			_ = res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
		took("all NATS servers killed: ready again", begun)
	})
	f.settled(0, 1)
	t.Logf("%d requests, %d sent again", len(requests), f.again.Load())

	for incident, n := range rootsByIncident(slack) {
		if n != 1 {
			t.Errorf("incident %s has %d roots", incident, n)
		}
	}
	within(t, 2*time.Minute, "all is announced", func() bool { return len(openedThreads(slack)) >= len(want) })
	if got := openedThreads(slack); !slices.Equal(got, want) {
		t.Errorf("announced %d incidents, want %d\n got %q\nwant %q", len(got), len(want), got, want)
	}
	// Both replicas show the same incidents, whichever replica stores them.
	for _, rule := range clusterRuleNames() {
		eventually(t, "both replicas know the open incidents", func() bool {
			open := `callwatch_incidents_open{rule="` + rule + `"}`
			a, b := f.replica(0).metric(open), f.replica(1).metric(open)
			return a != "" && a == b
		})
	}
}
