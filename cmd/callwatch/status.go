package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/pipeline/maintenance"
	"callwatch/pipeline/stage"
)

// senders counts webhooks by provider and account since the start.
type senders struct {
	mu   sync.Mutex
	seen map[string]sender
}

type sender struct {
	accepted, refused uint64
	last              time.Time // when the latest came that was accepted
}

// note takes the end of one webhook request.
func (s *senders) note(o handlers.Observation, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]sender{}
	}
	name := call.Source(o.Provider, o.Account)
	n := s.seen[name]
	if o.Outcome == handlers.Accepted || o.Outcome == handlers.Unverified {
		n.accepted, n.last = n.accepted+1, now.UTC()
	} else {
		n.refused++
	}
	s.seen[name] = n
}

func (s *senders) of(source string) sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[source]
}

func (a *app) status(ctx context.Context) backend.Status {
	health := a.store.Health(ctx)
	ready := a.ready(ctx)
	version, _ := json.Marshal(buildVersion())
	s := backend.Status{
		Version: version, Started: a.started, Durability: string(health.Durability), Ready: ready.Ready(),
		Checks: []backend.Check{}, Providers: []backend.ProviderStatus{}, Streams: []backend.StreamStatus{}, Receivers: []backend.Receiver{},
		Judged: a.judge.Watermark(), Backlog: a.backlog()[stage.JudgeLease],
	}
	for _, c := range ready.Checks {
		s.Checks = append(s.Checks, backend.Check{Name: c.Name, State: string(c.State), Cause: c.Cause})
	}
	for _, of := range a.cfg.Sources() {
		s.Providers = append(s.Providers, a.providerStatus(of))
	}
	for _, st := range health.Streams {
		s.Streams = append(s.Streams, backend.StreamStatus{Name: st.Name, Messages: st.Messages, Bytes: st.Bytes})
		if st.Name == "dead" {
			s.Dead = st.Messages
		}
	}
	if u := a.store.Usage(); u.Limit > 0 {
		s.Store = maintenance.StoreUsage(&u)
	}
	if a.model != nil {
		s.Model = new(a.model.Status())
	}
	s.Receivers = append(s.Receivers, a.receivers(ctx)...)
	return s
}

func (a *app) providerStatus(of config.Source) backend.ProviderStatus {
	p, keys, seen := of.Provider, a.cfg.KeysOf(of), a.senders.of(of.Name())
	return backend.ProviderStatus{
		Name: p.Name, Account: of.Account, Title: a.cfg.ProviderTitle(p.Name), Verifies: p.Verifiable(keys), Fetches: a.cfg.Fetches(of),
		Accepted: seen.accepted, Refused: seen.refused, LastSeen: seen.last, Trouble: a.fetch.Trouble(p.Name, of.Account),
	}
}
