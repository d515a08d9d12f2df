// Package fetching is the stage that asks the providers for what their webhooks leave
// out: it follows events, keeps a job for each call that needs a report, asks on the
// provider's schedule, and searches for calls whose webhooks were lost. What it receives
// is ingested as webhooks are.
package fetching

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/pipeline/stage"
	"callwatch/pipeline/tombstone"
	"callwatch/stream"
)

// followedKey is the watermark up to which all events were looked at.
const followedKey = "followed"

// Config is what the stage needs.
type Config struct {
	Store  *stream.Store
	Leases *stage.Leases
	APIs   []API
	GiveUp time.Duration // from a call's end until its report is given up
	Sweep  time.Duration // between searches for calls whose webhooks were lost; 0: never

	Ingest func(context.Context, normalizer.Body) (id string, err error)
	Events func(*stream.Record) ([]call.Event, error)
	Erased *tombstone.Set // calls that are not asked about
	// Known is what the rules engine knows of a call.
	Known func(call.Key) call.Call
	// Normalized reports whether the events of all stored webhooks are stored.
	Normalized func() bool
	Observe    Observer
	Log        *slog.Logger
}

// API is an account of a provider that can be asked.
type API struct {
	Provider normalizer.Provider
	Account  string // "" for the provider's own settings
	Keys     normalizer.Keys
	Pace     Pace
}

// Pace is how fast a provider is asked.
type Pace struct {
	Delays []time.Duration // before each attempt; the last one repeats; none are the provider's
	Rate   float64         // requests a second; 0 is the provider's
}

// Observer counts what the stage does.
type Observer interface {
	// Fetched receives the outcome of one request.
	Fetched(provider, account, outcome string)
	// GivenUp receives a report that was not available in time.
	GivenUp(provider, account string)
	// Swept receives the outcome of one sweep, and how many calls it found.
	Swept(provider, account, outcome string, found int)
}

// Fetch asks the providers for what their webhooks leave out.
type Fetch struct {
	cfg   Config
	notes *stream.Bucket // watermarks of following and of sweeps
	apis  map[string]*fetchAPI

	followed atomic.Uint64
}

// fetchAPI is the state of one account of a provider that is asked.
type fetchAPI struct {
	provider normalizer.Provider
	account  string
	name     string // of both: call.Source
	keys     normalizer.Keys
	client   *fetch.Client
	pace     Pace
	swept    map[string]bool // calls that a sweep has found
	down     atomic.Bool     // logged that it does not answer

	pending   atomic.Int64              // jobs that wait for their next attempt
	refusedAt atomic.Pointer[time.Time] // the last refusal of the credentials; nil: accepted since
}

// New makes the clients. No event may be published at the same time: a store without
// a watermark is followed from its end, the calls in it are history.
func New(ctx context.Context, c Config) (*Fetch, error) {
	f := &Fetch{cfg: c, apis: map[string]*fetchAPI{}}
	for _, api := range c.APIs {
		client, err := fetch.New(api.Provider, api.Keys, fetch.Options{Now: time.Now, Rate: api.Pace.Rate})
		if err != nil {
			return nil, err
		}
		if api.Pace.Delays == nil {
			api.Pace.Delays = api.Provider.REST.Delays
		}
		name := call.Source(api.Provider.Name, api.Account)
		f.apis[name] = &fetchAPI{provider: api.Provider, account: api.Account, name: name, keys: api.Keys, client: client, pace: api.Pace, swept: map[string]bool{}}
	}
	if len(f.apis) == 0 {
		return f, nil
	}
	var err error
	if f.notes, err = c.Store.Bucket(ctx, "fetch"); err != nil {
		return nil, fmt.Errorf("open the notes of fetching: %w", err)
	}
	w, err := stage.LoadWatermark(ctx, f.notes, followedKey)
	if err != nil {
		return nil, err
	}
	if w.Rev == 0 {
		if _, err := w.Save(ctx, stage.LastStored(ctx, c.Store)["events"]); err != nil {
			return nil, err
		}
	}
	f.followed.Store(w.At)
	return f, f.countPending(ctx)
}

// Watermark is the last event up to which this replica has looked for calls to ask
// about.
func (f *Fetch) Watermark() uint64 { return f.followed.Load() }

// Stages are the parts of the stage, each under a lease of its own: following the
// events, asking each provider, and sweeping.
func (f *Fetch) Stages() map[string]stage.Func {
	all := map[string]stage.Func{}
	if len(f.apis) == 0 {
		return all
	}
	all[stage.FetchLease] = f.cfg.Leases.Under(stage.FetchLease, f.follow)
	for name, s := range f.apis {
		all["fetch-"+name] = f.cfg.Leases.Under("fetch-"+name, func(ctx context.Context) error { return f.askDue(ctx, s) })
	}
	if f.cfg.Sweep > 0 {
		all["sweep"] = f.cfg.Leases.Under("sweep", f.sweep)
	}
	return all
}

// follow looks at every event for a call whose report is to be fetched, and
// schedules a job. An event that it sees again after a restart has its job already.
func (f *Fetch) follow(ctx context.Context) error {
	w, err := stage.LoadWatermark(ctx, f.notes, followedKey)
	if err != nil {
		return err
	}
	f.followed.Store(w.At)
	ctx, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer stop()
	keeping.Go(func() { w.Keep(ctx, f.cfg.Log, f.followed.Load) })
	return f.cfg.Store.Follow(ctx, f.followed.Load()+1, func(m stream.Message) error {
		if err := f.look(ctx, &m); err != nil {
			return err
		}
		f.followed.Store(m.Seq)
		return nil
	}, f.followed.Store)
}

func (f *Fetch) look(ctx context.Context, m *stream.Message) error {
	s := f.apis[call.Source(m.Provider(), m.Account())]
	if s == nil || m.Past() || m.Source() == string(normalizer.Imported) || m.Source() == string(normalizer.Fetched) {
		return nil
	}
	var e call.Event
	if err := json.Unmarshal(m.Data, &e); err != nil {
		f.cfg.Log.Error("stored event cannot be read", "seq", m.Seq, "err", err)
		return nil
	}
	ended := e.EndedAt
	if ended.IsZero() {
		ended = e.OccurredAt
	}
	for _, ask := range s.provider.REST.Wants(&e, s.keys) {
		if err := f.schedule(ctx, s, job{Ask: ask, RawID: e.RawID, Ended: ended, Begun: m.Time}); err != nil {
			return err
		}
	}
	return nil
}

// schedule stores a job, unless it is stored already or was done a short while ago.
func (f *Fetch) schedule(ctx context.Context, s *fetchAPI, e job) error {
	if f.erased(s, &e) {
		return nil
	}
	e.Due = e.first(s.pace)
	stored, err := f.cfg.Store.Later(ctx, stream.Task{Topic: s.name, Key: e.Ask.ID(), At: e.Due, Data: e.data()})
	if errors.Is(err, stream.ErrTooLarge) {
		f.cfg.Log.Warn("request for a report is too large", "provider", s.name, "call", e.Ask.CallID, "err", err)
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

// erased reports whether a job is about an erased call.
func (f *Fetch) erased(s *fetchAPI, e *job) bool {
	return f.cfg.Erased.Has(s.key(e.Ask.CallID))
}

// key names a call of the account.
func (s *fetchAPI) key(id string) call.Key {
	return call.Key{Provider: s.provider.Name, Account: s.account, CallID: id}
}

// countPending counts the jobs that are stored at the start.
func (f *Fetch) countPending(ctx context.Context) error {
	for name, s := range f.apis {
		err := f.cfg.Store.Tasks(ctx, name, func(t stream.Task) {
			if e, err := parseJob(t.Data); err == nil && !e.Done {
				s.pending.Add(1)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
