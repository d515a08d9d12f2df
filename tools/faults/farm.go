package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"callwatch/stream/natstest"
	"callwatch/tools/faults/rig"
)

// allStages are the stages that one replica at a time works for.
func allStages() []string {
	return []string{"normalize", "announce", "judge"}
}

// farm is replicas of callwatch on a cluster of NATS servers, behind a balancer.
type farm struct {
	t        *rig.Trial
	nats     *natstest.Cluster
	entries  []*natstest.Entry
	replicas []*rig.Product
	front    *http.Server

	mu      sync.Mutex
	turn    int
	longest map[string]time.Duration // by what was waited for
}

// newFarm starts everything. p becomes the balancer: its address is what is sent to.
func newFarm(t *rig.Trial, p *rig.Product) (*farm, error) {
	f := &farm{t: t, longest: map[string]time.Duration{}}
	var err error
	if f.nats, err = natstest.Start(t, t.Dir, false); err != nil {
		return nil, err
	}
	for i := range replicasOfCallwatch {
		e, err := f.nats.Enter()
		if err != nil {
			return nil, errors.Join(err, f.nats.Close())
		}
		r := *p
		if r.Address, err = natstest.FreeAddress(); err != nil {
			return nil, errors.Join(err, f.nats.Close())
		}
		r.Env = append(slices.Clone(p.Env), "CALLWATCH_LISTEN="+r.Address, "CALLWATCH_NATS_URL="+e.URL, "CALLWATCH_NATS_REPLICAS=3",
			"CALLWATCH_DATA_DIR="+filepath.Join(t.Dir, fmt.Sprint("replica", i)))
		f.entries, f.replicas = append(f.entries, e), append(f.replicas, &r)
	}
	listener, err := net.Listen("tcp", p.Address)
	if err != nil {
		return nil, errors.Join(err, f.nats.Close())
	}
	f.front = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", f.next() },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}}
	go func() { _ = f.front.Serve(listener) }()
	for _, r := range f.replicas {
		if err := r.Start(); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *farm) next() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn++
	return f.replicas[f.turn%len(f.replicas)].Address
}

func (f *farm) close() {
	for _, r := range f.replicas {
		r.Kill()
	}
	_ = f.front.Close()
	_ = f.nats.Close()
}

// held says whether every stage is worked for by one of those replicas.
func (f *farm) held(among ...int) bool {
	for _, stage := range allStages() {
		if !slices.ContainsFunc(among, func(i int) bool { return f.holds(i, stage) }) {
			return false
		}
	}
	return true
}

func (f *farm) holds(i int, stage string) bool {
	return f.replicas[i].Metric(`callwatch_stage_held{stage="`+stage+`"}`) == "1"
}

func (f *farm) holder(stage string) int {
	if f.holds(1, stage) {
		return 1
	}
	return 0
}

func (f *farm) await(what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(f.t, resumeLimit)
	defer cancel()
	for !ok() {
		if !rig.Pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("not within %v: %s\n%s", resumeLimit, what, f.replicas[0].LastWords())
		}
	}
	return nil
}

// settled waits until no stage has anything left to do, as long as it goes on.
func (f *farm) settled() error {
	for _, stage := range []string{"normalize", "judge", "announce"} {
		idle := func() bool {
			at := f.holder(stage)
			idle := func(r *rig.Product) bool { return r.Metric(`callwatch_backlog_messages{stage="`+stage+`"}`) == "0" }
			if stage == "judge" { // each replica folds all events
				return !slices.ContainsFunc(f.replicas, func(r *rig.Product) bool { return !idle(r) })
			}
			return f.holds(at, stage) && idle(f.replicas[at])
		}
		progress := func() (of [replicasOfCallwatch]rig.Progress) {
			for i, r := range f.replicas {
				of[i] = r.Progress(stage)
			}
			return of
		}
		for !idle() {
			before := progress()
			if err := f.await(stage+" goes on", func() bool { return progress() != before || idle() }); err != nil {
				return err
			}
		}
	}
	return nil
}
