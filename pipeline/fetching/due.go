package fetching

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/pipeline/stage"
	"callwatch/stream"
)

// askers is how many requests are under way to one provider.
const askers = 4

// askDue works on the jobs of a provider that are due. The jobs of one call go to
// one goroutine, so that they cannot overtake each other.
func (f *Fetch) askDue(ctx context.Context, s *fetchAPI) error {
	ctx, stop := context.WithCancelCause(ctx)
	var lanes [askers]chan stream.Due
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop(nil)
	for i := range lanes {
		lanes[i] = make(chan stream.Due, s.together())
		asking.Go(func() {
			if err := f.serve(ctx, s, lanes[i]); err != nil {
				stop(err)
			}
		})
	}
	err := f.cfg.Store.FollowDue(ctx, s.name, func(d stream.Due) error {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(d.Key))
		select {
		case lanes[hash.Sum32()%askers] <- d:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// together is how many requests can be joined in one.
func (s *fetchAPI) together() int {
	if b := s.provider.REST.Batch; b != nil {
		return max(b.Max, 1)
	}
	return 1
}

func (f *Fetch) serve(ctx context.Context, s *fetchAPI, lane <-chan stream.Due) error {
	for {
		var group []stream.Due
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d := <-lane:
			group = append(group, d)
		}
		if err := s.ready(ctx); err != nil {
			return err
		}
		for more := true; more && len(group) < s.together(); {
			select {
			case d := <-lane:
				group = append(group, d)
			default:
				more = false
			}
		}
		if err := f.askGroup(ctx, s, group); err != nil {
			return err
		}
	}
}

// ready waits while the provider is down, has asked for a pause or refuses the
// credentials. Jobs that become due stay stored as they are.
func (s *fetchAPI) ready(ctx context.Context) error {
	for {
		now, until := time.Now(), s.client.Health().Until
		if refused := s.refusedAt.Load(); refused != nil {
			until = latest(until, refused.Add(deniedPause))
		}
		if !until.After(now) {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(until.Sub(now), time.Minute)):
		}
	}
}

// attempted is a job whose next attempt is stored.
type attempted struct {
	due stream.Due
	job
	at time.Time
}

// askGroup sends the requests of jobs. The next attempt is stored before the request
// is sent: a stop at any point neither loses a call nor asks for it too often.
func (f *Fetch) askGroup(ctx context.Context, s *fetchAPI, group []stream.Due) error {
	var open []attempted
	var asks []normalizer.Ask
	for _, d := range group {
		a, ok, err := f.begin(ctx, s, d)
		if err != nil {
			return err
		}
		if ok {
			open, asks = append(open, a), append(asks, a.Ask)
		}
	}
	if len(asks) == 0 {
		return nil
	}
	answers, err := s.client.DoAll(ctx, asks)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	for i, a := range open {
		answer := fetch.Answer{Outcome: fetch.Broken}
		if err != nil {
			answer.Reason = err.Error()
		} else {
			answer = answers[i]
		}
		if err := f.take(ctx, s, a, answer); err != nil {
			return err
		}
	}
	return nil
}

// begin stores the attempt after this one. It is false if nothing is to be asked:
// all is known, the time is over, or the job was begun already.
func (f *Fetch) begin(ctx context.Context, s *fetchAPI, d stream.Due) (attempted, bool, error) {
	e, err := parseJob(d.Data)
	if err != nil {
		f.cfg.Log.Error("stored fetch cannot be read", "provider", s.name, "err", err)
		return attempted{}, false, f.cfg.Store.Finish(ctx, d)
	}
	now := time.Now()
	switch {
	case e.Done:
		return attempted{}, false, f.cfg.Store.Finish(ctx, d)
	case f.erased(s, &e):
		s.pending.Add(-1)
		return attempted{}, false, f.cfg.Store.Finish(ctx, d)
	case !e.Ask.Again && f.complete(s, e.Ask.CallID, nil):
		return attempted{}, false, f.end(ctx, s, d, e)
	case e.over(now, f.cfg.GiveUp):
		return attempted{}, false, f.giveUp(ctx, s, d, e, now)
	}
	next := e.attempt(now, s.pace, f.cfg.GiveUp)
	ok, err := f.cfg.Store.Again(ctx, d, next.Due, next.data())
	if err != nil {
		return attempted{}, false, fmt.Errorf("schedule the next fetch: %w", err)
	}
	return attempted{due: d, job: next, at: now}, ok, nil
}

// take stores an answer.
func (f *Fetch) take(ctx context.Context, s *fetchAPI, a attempted, answer fetch.Answer) error {
	f.observe(s, a.Ask, answer)
	if f.erased(s, &a.job) {
		return f.cfg.Store.Postpone(ctx, stream.Task{Topic: s.name, Key: a.due.Key}) // it was asked before
	}
	next, done := a.after(answer, a.at, time.Now(), s.pace)
	if answer.Outcome == fetch.Ready || answer.Outcome == fetch.Partial {
		events, hash, err := f.keep(ctx, s, &a.job, answer)
		if err != nil {
			return err
		}
		next.Last = hash
		done = done || !a.Ask.Again && f.complete(s, a.Ask.CallID, events)
	}
	switch {
	case done:
		return f.done(ctx, s, next)
	case next.Due != a.Due || next.Last != a.Last || next.Held:
		return f.cfg.Store.Postpone(ctx, stream.Task{Topic: s.name, Key: a.due.Key, At: next.Due, Data: next.data()})
	}
	return nil
}

// keep ingests the body of an answer, unless it equals the one before, and returns
// its events.
func (f *Fetch) keep(ctx context.Context, s *fetchAPI, e *job, answer fetch.Answer) ([]call.Event, string, error) {
	sum := sha256.Sum256(answer.Body)
	hash := hex.EncodeToString(sum[:12])
	b := normalizer.Body{
		Provider: s.provider.Name, Account: s.account, Source: normalizer.Fetched, ContentType: answer.ContentType, CallID: e.Ask.CallID,
		Bytes: answer.Body, ReceivedAt: time.Now().UTC(),
	}
	if hash != e.Last {
		if _, err := f.cfg.Ingest(ctx, b); err != nil {
			return nil, "", fmt.Errorf("store a fetched report: %w", err)
		}
	}
	events, err := f.cfg.Events(stage.Record(b))
	if err != nil {
		return nil, hash, nil // the body becomes a dead letter when it is normalized
	}
	return events, hash, nil
}

// complete reports whether all is known of a call, with events that are not judged yet.
func (f *Fetch) complete(s *fetchAPI, callID string, events []call.Event) bool {
	known := f.cfg.Known(s.key(callID))
	for i := range events {
		final := known.Final || events[i].Final
		known.Event = *known.With(&events[i])
		known.Final = final
	}
	return s.provider.REST.Complete(&known.Event)
}
