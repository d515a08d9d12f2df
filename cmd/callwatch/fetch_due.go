package main

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
	"callwatch/rules"
	"callwatch/stream"
)

// askers is how many requests are under way to one provider.
const askers = 4

// askDue asks a provider for what is due. One call's requests go through one
// asker, so that they cannot overtake each other.
func (f *fetching) askDue(ctx context.Context, s *restAPI) error {
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
	err := f.app.store.FollowDue(ctx, s.provider.Name, func(d stream.Due) error {
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
func (s *restAPI) together() int {
	if b := s.provider.REST.Batch; b != nil {
		return max(b.Max, 1)
	}
	return 1
}

func (f *fetching) serve(ctx context.Context, s *restAPI, lane <-chan stream.Due) error {
	for {
		var group []stream.Due
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d := <-lane:
			group = append(group, d)
		}
		if err := s.rest(ctx); err != nil {
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

// rest waits while the provider is down, has asked for a pause or refuses the
// credentials. What is due meanwhile stays stored as it is.
func (s *restAPI) rest(ctx context.Context) error {
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

// asked is an errand whose next attempt is stored.
type asked struct {
	due stream.Due
	errand
	at time.Time
}

// askGroup asks for what is due. The next attempt is stored before the request is
// sent: a stop at any point neither loses a call nor asks for it too often.
func (f *fetching) askGroup(ctx context.Context, s *restAPI, group []stream.Due) error {
	var open []asked
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

// begin stores the attempt that follows a due one. It is false where nothing is
// to be asked: all is known, the time is over, or this is a due one seen again.
func (f *fetching) begin(ctx context.Context, s *restAPI, d stream.Due) (asked, bool, error) {
	e, err := parseErrand(d.Data)
	if err != nil {
		f.app.log.Error("stored fetch cannot be read", "provider", s.provider.Name, "err", err)
		return asked{}, false, f.app.store.Finish(ctx, d)
	}
	now := time.Now()
	switch {
	case e.Done:
		return asked{}, false, f.app.store.Finish(ctx, d)
	case !e.Ask.Again && f.complete(s, e.Ask.CallID, nil):
		return asked{}, false, f.end(ctx, s, d, e)
	case e.over(now, f.app.cfg.FetchFor):
		return asked{}, false, f.giveUp(ctx, s, d, e, now)
	}
	next := e.attempt(now, s.pace, f.app.cfg.FetchFor)
	ok, err := f.app.store.Again(ctx, d, next.Due, next.data())
	if err != nil {
		return asked{}, false, fmt.Errorf("schedule the next fetch: %w", err)
	}
	return asked{due: d, errand: next, at: now}, ok, nil
}

// take stores what an answer tells.
func (f *fetching) take(ctx context.Context, s *restAPI, a asked, answer fetch.Answer) error {
	f.observe(s, a.Ask, answer)
	next, done := a.after(answer, a.at, time.Now(), s.pace)
	if answer.Outcome == fetch.Ready || answer.Outcome == fetch.Partial {
		events, hash, err := f.keep(ctx, s, &a.errand, answer)
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
		return f.app.store.Postpone(ctx, stream.Task{Topic: s.provider.Name, Key: a.due.Key, At: next.Due, Data: next.data()})
	}
	return nil
}

// keep stores an answer's body like a webhook, unless it says the same as the one
// before, and returns what it means.
func (f *fetching) keep(ctx context.Context, s *restAPI, e *errand, answer fetch.Answer) ([]call.Event, string, error) {
	sum := sha256.Sum256(answer.Body)
	hash := hex.EncodeToString(sum[:12])
	b := normalizer.Body{
		Provider: s.provider.Name, Source: normalizer.Fetched, ContentType: answer.ContentType, CallID: e.Ask.CallID,
		Bytes: answer.Body, ReceivedAt: time.Now().UTC(),
	}
	if hash != e.Last {
		if _, err := f.app.keepBody(ctx, b); err != nil {
			return nil, "", fmt.Errorf("store a fetched report: %w", err)
		}
	}
	events, err := f.app.safeEvents(recordOf(b))
	if err != nil {
		return nil, hash, nil // it becomes a dead letter where all records are normalized
	}
	return events, hash, nil
}

// complete says whether all is known of a call, with events that are on their way.
func (f *fetching) complete(s *restAPI, callID string, events []call.Event) bool {
	var known call.Call
	f.app.judging.look(func(g *rules.Engine) {
		known, _ = g.Call(call.Key{Provider: s.provider.Name, CallID: callID})
		known.Event = known.Clone()
	})
	for i := range events {
		final := known.Final || events[i].Final
		known.Event = *known.With(&events[i])
		known.Final = final
	}
	return s.provider.REST.Complete(&known.Event)
}
