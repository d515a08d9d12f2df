package main

import (
	"context"
	"fmt"
	"time"

	"callwatch/normalizer"
	"callwatch/stream"
)

// done remembers that nothing more is to be asked, for as long as an event may be
// seen again.
func (f *fetching) done(ctx context.Context, s *restAPI, e errand) error {
	e.Done = true
	err := f.app.store.Postpone(ctx, stream.Task{Topic: s.provider.Name, Key: e.Ask.ID(), At: f.forgetAt(), Data: e.data()})
	if err != nil {
		return fmt.Errorf("end a fetch: %w", err)
	}
	s.pending.Add(-1)
	return nil
}

// end is done for an errand that is due and was not asked; one that was followed
// already has ended otherwise.
func (f *fetching) end(ctx context.Context, s *restAPI, d stream.Due, e errand) error {
	e.Done = true
	stored, err := f.app.store.Again(ctx, d, f.forgetAt(), e.data())
	if err != nil {
		return fmt.Errorf("end a fetch: %w", err)
	}
	if stored {
		s.pending.Add(-1)
	}
	return nil
}

func (f *fetching) forgetAt() time.Time { return time.Now().Add(f.app.cfg.FetchFor + remember) }

// giveUp makes the call final without what could not be had. A call of which only
// an unsigned webhook told is not known to exist: the webhook is a dead letter.
func (f *fetching) giveUp(ctx context.Context, s *restAPI, d stream.Due, e errand, now time.Time) error {
	f.app.stats.givenUp.WithLabelValues(s.provider.Name).Inc()
	f.app.log.Info("report of a call is given up", "provider", s.provider.Name, "call", e.Ask.CallID, "attempts", e.Tried)
	if raw, err := stream.ParsePosition(e.RawID); err == nil && s.provider.Unsigned && e.Last == "" {
		err := f.app.store.PutDeadLetter(ctx, stream.DeadLetter{
			Raw: raw, Provider: s.provider.Name, Kind: "unconfirmed", Time: now,
			Error: "the provider does not know the call that an unsigned webhook told of",
		})
		if err != nil {
			return fmt.Errorf("keep a dead letter: %w", err)
		}
		return f.end(ctx, s, d, e)
	}
	body, err := normalizer.GiveUp(s.provider.Name, e.Ask.CallID, e.Ended, now.UTC())
	if err != nil {
		return err
	}
	if _, err := f.app.keepBody(ctx, body); err != nil {
		return fmt.Errorf("store that a report is given up: %w", err)
	}
	return f.end(ctx, s, d, e)
}
