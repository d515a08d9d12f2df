package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/stream"
)

const (
	// fetchRole is looking at events for what their calls lack.
	fetchRole = "fetch"
	// followedKey is the watermark up to which all events were looked at.
	followedKey = "followed"
)

// fetching asks the providers for what their webhooks leave out.
type fetching struct {
	app   *app
	notes *stream.Bucket // how far events were followed and lists were swept
	apis  map[string]*restAPI

	followed atomic.Uint64
}

// restAPI is one provider that can be asked.
type restAPI struct {
	provider normalizer.Provider
	keys     normalizer.Keys
	client   *fetch.Client
	pace     fetchPace
	swept    map[string]bool // calls that a sweep has found
	down     atomic.Bool     // told that it does not answer

	pending   atomic.Int64              // requests that wait for their next attempt
	refusedAt atomic.Pointer[time.Time] // when the credentials were refused last; nil where they were taken since
}

// openFetching makes the clients of the providers whose REST is configured. No
// event may be published meanwhile: a store without a note of ours is followed
// from its end, its calls are history.
func (a *app) openFetching(ctx context.Context) (*fetching, error) {
	f := &fetching{app: a, apis: map[string]*restAPI{}}
	for _, p := range normalizer.Providers() {
		if !a.cfg.fetches(p) {
			continue
		}
		keys := a.cfg.keys(p)
		client, err := fetch.New(p, keys, fetch.Options{Now: time.Now, Rate: a.cfg.pace.rate})
		if err != nil {
			return nil, usage(err)
		}
		pace := a.cfg.pace
		if pace.delays == nil {
			pace.delays = p.REST.Delays
		}
		f.apis[p.Name] = &restAPI{provider: p, keys: keys, client: client, pace: pace, swept: map[string]bool{}}
	}
	if len(f.apis) == 0 {
		return f, nil
	}
	var err error
	if f.notes, err = a.store.Bucket(ctx, "fetch"); err != nil {
		return nil, fmt.Errorf("open the notes of fetching: %w", err)
	}
	w, err := loadWatermark(ctx, f.notes, followedKey)
	if err != nil {
		return nil, err
	}
	if w.rev == 0 {
		last := uint64(0)
		for _, s := range a.store.Health(ctx).Streams {
			if s.Name == "events" {
				last = s.Last
			}
		}
		if _, err := w.save(ctx, last); err != nil {
			return nil, err
		}
	}
	f.followed.Store(w.at)
	return f, f.countPending(ctx)
}

// stages are the parts that run beside each other: each can be stopped anywhere
// and goes on from what is stored.
func (f *fetching) stages() map[string]func(context.Context) error {
	all := map[string]func(context.Context) error{}
	if len(f.apis) == 0 {
		return all
	}
	all[fetchRole] = f.app.leading(fetchRole, f.follow)
	for name, s := range f.apis {
		all["fetch-"+name] = f.app.leading("fetch-"+name, func(ctx context.Context) error { return f.askDue(ctx, s) })
	}
	if f.app.cfg.Sweep > 0 {
		all["sweep"] = f.app.leading("sweep", f.sweep)
	}
	return all
}

// follow looks at every event for a call whose rest is to be fetched, and stores
// when to ask. What it sees again after a restart is scheduled already.
func (f *fetching) follow(ctx context.Context) error {
	w, err := loadWatermark(ctx, f.notes, followedKey)
	if err != nil {
		return err
	}
	f.followed.Store(w.at)
	ctx, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer stop()
	keeping.Go(func() { w.keep(ctx, f.app.log, f.followed.Load) })
	return f.app.store.Follow(ctx, f.followed.Load()+1, func(m stream.Message) error {
		if err := f.look(ctx, &m); err != nil {
			return err
		}
		f.followed.Store(m.Seq)
		return nil
	})
}

func (f *fetching) look(ctx context.Context, m *stream.Message) error {
	s := f.apis[m.Provider()]
	if s == nil || m.Past() || m.Source() == string(normalizer.Imported) || m.Source() == string(normalizer.Fetched) {
		return nil
	}
	var e call.Event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		f.app.log.Error("stored event cannot be read", "seq", m.Seq, "err", err)
		return nil
	}
	ended := e.EndedAt
	if ended.IsZero() {
		ended = e.OccurredAt
	}
	for _, ask := range s.provider.REST.Wants(&e, s.keys) {
		if err := f.schedule(ctx, s, errand{Ask: ask, RawID: e.RawID, Ended: ended, Begun: m.Time}); err != nil {
			return err
		}
	}
	return nil
}

// schedule stores an errand, unless it is under way or was done a short while ago.
func (f *fetching) schedule(ctx context.Context, s *restAPI, e errand) error {
	e.Due = e.first(s.pace)
	stored, err := f.app.store.Later(ctx, stream.Task{Topic: s.provider.Name, Key: e.Ask.ID(), At: e.Due, Data: e.data()})
	if errors.Is(err, stream.ErrTooLarge) {
		f.app.log.Warn("request for a report is too large", "provider", s.provider.Name, "call", e.Ask.CallID, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("schedule a fetch: %w", err)
	}
	if stored {
		s.pending.Add(1)
	}
	return nil
}

// countPending counts what waits from before the start.
func (f *fetching) countPending(ctx context.Context) error {
	for name, s := range f.apis {
		err := f.app.store.Tasks(ctx, name, func(t stream.Task) {
			if e, err := parseErrand(t.Data); err == nil && !e.Done {
				s.pending.Add(1)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
