package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/stream/names"
	"callwatch/stream/natstest"
)

const patience = time.Minute

func startCluster(t *testing.T, secure bool) *natstest.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts three servers")
	}
	c, err := natstest.Start(t.Context(), t.TempDir(), secure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// join opens the store of a cluster, as one of its replicas.
func join(t *testing.T, c *natstest.Cluster) (*Store, *natstest.Entry) {
	t.Helper()
	e, err := c.Enter()
	if err != nil {
		t.Fatal(err)
	}
	return open(t, Config{URL: e.URL, CredsFile: c.Creds, CAFile: c.CA, Replicas: 3, Patience: patience}), e
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
	return v
}

func TestClusterWithTLSAndCredentials(t *testing.T) {
	t.Parallel()
	c := startCluster(t, true)
	s, e := join(t, c)
	big := make([]byte, 3<<20) // larger than the servers' message of 1 MB
	for i := range big {
		big[i] = `{"packets":0123456789}`[i%22]
	}
	r := record(1)
	r.Body = big
	id, err := s.Append(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Record(t.Context(), id); err != nil || string(got.Body) != string(big) {
		t.Errorf("a body of 3 MB came back with %d bytes, %v", len(got.Body), err)
	}
	noise := rand.NewChaCha8([32]byte{1})
	_, _ = noise.Read(r.Body)
	if _, err := s.Append(t.Context(), r); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("3 MB that do not compress: %v", err)
	}
	if h := s.Health(t.Context()); !h.OK || h.Durability != Replicated || h.Embedded {
		t.Errorf("health %+v", h)
	}
	for _, wrong := range []struct {
		cfg  Config
		want string
	}{
		{Config{URL: e.URL, CAFile: c.CA}, "Authorization"},
		{Config{URL: e.URL, CredsFile: c.Creds}, "certificate"},
		{Config{URL: e.URL, CredsFile: c.Creds, CAFile: c.CA, CertFile: "only.pem"}, "its key together"},
	} {
		if s, err := Open(t.Context(), wrong.cfg); err == nil || !strings.Contains(err.Error(), wrong.want) {
			if err == nil {
				closeStore(t, s)
			}
			t.Errorf("got %v, want %q", err, wrong.want)
		}
	}
}

// A store begun with one copy of everything gets three, and is never taken back.
func TestClusterReplicasOfAnExistingStore(t *testing.T) {
	t.Parallel()
	c := startCluster(t, false)
	e, err := c.Enter()
	if err != nil {
		t.Fatal(err)
	}
	one := open(t, Config{URL: e.URL, Patience: patience})
	if h := one.Health(t.Context()); h.Durability != Unproven {
		t.Errorf("one copy is %q", h.Durability)
	}
	copies := func(s *Store, name string) int {
		st, err := s.conn.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return st.CachedInfo().Config.Replicas
	}
	three := open(t, Config{URL: e.URL, Replicas: 3, Patience: patience})
	again := open(t, Config{URL: e.URL, Patience: patience})
	for _, name := range []string{names.RawStream, names.EventStream, names.AlertStream, names.DeadStream, names.CheckpointStream, "KV_callwatch_meta"} {
		if got := copies(again, name); got != 3 {
			t.Errorf("%s has %d copies", name, got)
		}
	}
	for _, s := range []*Store{three, again} {
		if h := s.Health(t.Context()); h.Durability != Replicated {
			t.Errorf("three copies are %q", h.Durability)
		}
	}
}

// acknowledged appends from several senders until told to stop, and returns what
// was acknowledged: call ids by record id.
func acknowledge(ctx context.Context, s *Store) func() map[string]string {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var mu sync.Mutex
	acked := map[string]string{}
	for sender := range 8 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				r := record(n)
				r.CallID = fmt.Sprintf("%d-%d", sender, n)
				id, err := s.Append(ctx, r)
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				mu.Lock()
				acked[id] = r.CallID
				mu.Unlock()
			}
		})
	}
	return func() map[string]string {
		cancel()
		all.Wait()
		return acked
	}
}

// Faults of the cluster under writes: nothing acknowledged is lost.
func TestClusterFaultsLoseNothing(t *testing.T) {
	t.Parallel()
	c := startCluster(t, false)
	s, e := join(t, c)
	writes := func() bool {
		_, err := s.Append(t.Context(), record(1))
		return err == nil
	}
	leads := func() (node int) {
		eventually(t, "a server leads the raw stream", func() (ok bool) {
			var err error
			node, err = c.Leader(names.RawStream)
			return err == nil
		})
		return node
	}
	finish := acknowledge(t.Context(), s)
	for name, fault := range map[string]func() (undo func()){
		"a server killed": func() func() {
			leader := leads()
			c.KillNode(leader)
			return func() {
				if err := c.StartNode(leader); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a server cut off": func() func() { c.Cut(leads()); return c.Heal },
		"client cut off":   func() func() { e.Cut(); e.Heal(); return func() {} },
	} {
		begun := time.Now()
		undo := fault()
		eventually(t, name+": writes are taken again", writes)
		t.Logf("%s: writes are taken again after %v", name, time.Since(begun).Round(time.Millisecond))
		undo()
		if err := c.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		c.KillNode(i)
	}
	eventually(t, "the store says that it is away", func() bool { return !s.Health(t.Context()).OK })
	if _, err := s.Append(t.Context(), record(1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without servers: %v", err)
	}
	for i := range 3 {
		if err := c.StartNode(i); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	eventually(t, "writes are taken again", writes)
	t.Logf("all servers killed: writes are taken again %v after their start", time.Since(begun).Round(time.Millisecond))
	acked := finish()
	t.Logf("%d acknowledged", len(acked))
	stored := map[string]string{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	last, err := s.raw.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := errors.New("done")
	err = s.Records(ctx, Position{}, func(records []Record) error {
		for _, r := range records {
			stored[r.At.String()] = r.CallID
		}
		if records[len(records)-1].At.Seq >= last.State.LastSeq {
			return done
		}
		return nil
	}, func(d *Damage) { t.Error(d) })
	if !errors.Is(err, done) && len(stored) < len(acked) {
		t.Fatal(err)
	}
	for id, call := range acked {
		if stored[id] != call {
			t.Errorf("%s, acknowledged as %s, is %q", call, id, stored[id])
		}
	}
}

// A reader is there for the server it was made by before all servers know it.
func TestClusterReadsAtOnce(t *testing.T) {
	c := startCluster(t, false)
	var stores [3]*Store
	for i := range stores {
		stores[i], _ = join(t, c)
	}
	eventually(t, "a transition is stored", func() bool {
		_, err := stores[0].PutTransition(t.Context(), "rule", "key", Cause{Seq: 1}, []byte("{}"))
		return err == nil
	})
	failed := 0
	for i := range 300 {
		if all, err := stores[i%len(stores)].LastTransitions(t.Context()); err != nil || len(all) != 1 {
			failed++
			t.Logf("read %d transitions, %v", len(all), err)
		}
	}
	if failed > 0 {
		t.Errorf("%d reads of 300 failed", failed)
	}
}
