package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"callwatch/handlers"
	"callwatch/handlers/backend"
	"callwatch/normalizer"
	"callwatch/pipeline"
	"callwatch/pipeline/maintenance"
)

// senders counts webhooks by provider since the start.
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
	n := s.seen[o.Provider]
	if o.Outcome == handlers.Accepted || o.Outcome == handlers.Unverified {
		n.accepted, n.last = n.accepted+1, now.UTC()
	} else {
		n.refused++
	}
	s.seen[o.Provider] = n
}

func (s *senders) of(provider string) sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[provider]
}

func (a *app) status(ctx context.Context) backend.Status {
	health := a.store.Health(ctx)
	ready := a.ready(ctx)
	version, _ := json.Marshal(buildVersion())
	s := backend.Status{
		Version: version, Started: a.started, Durability: string(health.Durability), Ready: ready.Ready(),
		Checks: []backend.Check{}, Providers: []backend.ProviderStatus{}, Streams: []backend.StreamStatus{}, Receivers: []backend.Receiver{},
		Judged: a.judge.Watermark(), Backlog: a.backlog()[pipeline.JudgeLease],
	}
	for _, c := range ready.Checks {
		s.Checks = append(s.Checks, backend.Check{Name: c.Name, State: string(c.State), Cause: c.Cause})
	}
	for _, p := range a.cfg.Registry {
		s.Providers = append(s.Providers, a.providerStatus(p))
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

func (a *app) providerStatus(p normalizer.Provider) backend.ProviderStatus {
	keys, seen := a.cfg.Keys(p), a.senders.of(p.Name)
	return backend.ProviderStatus{
		Name: p.Name, Title: a.cfg.ProviderTitle(p.Name), Verifies: p.Verifiable(keys), Fetches: a.cfg.Fetches(p),
		Accepted: seen.accepted, Refused: seen.refused, LastSeen: seen.last, Trouble: a.fetch.Trouble(p.Name),
	}
}
