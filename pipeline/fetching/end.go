package fetching

import (
	"context"
	"fmt"
	"time"

	"callwatch/normalizer"
	"callwatch/stream"
	"callwatch/stream/frame"
)

// done ends a job. It is kept for as long as an event may be seen again.
func (f *Fetch) done(ctx context.Context, s *fetchAPI, e job) error {
	e.Done = true
	err := f.cfg.Store.Postpone(ctx, stream.Task{Topic: s.name, Key: e.Ask.ID(), At: f.forgetAt(), Data: e.data()})
	if err != nil {
		return fmt.Errorf("end a fetch: %w", err)
	}
	s.pending.Add(-1)
	return nil
}

// end is done for a job that is due and was not asked, unless another attempt has
// ended it.
func (f *Fetch) end(ctx context.Context, s *fetchAPI, d stream.Due, e job) error {
	e.Done = true
	stored, err := f.cfg.Store.Again(ctx, d, f.forgetAt(), e.data())
	if err != nil {
		return fmt.Errorf("end a fetch: %w", err)
	}
	if stored {
		s.pending.Add(-1)
	}
	return nil
}

func (f *Fetch) forgetAt() time.Time { return time.Now().Add(f.cfg.GiveUp + remember) }

// giveUp makes the call final without its report. A call known only from an unsigned
// webhook may not exist: its webhook becomes a dead letter.
func (f *Fetch) giveUp(ctx context.Context, s *fetchAPI, d stream.Due, e job, now time.Time) error {
	f.cfg.Observe.GivenUp(s.provider.Name, s.account)
	f.cfg.Log.Info("gave up on a call's report", "provider", s.name, "call", e.Ask.CallID, "attempts", e.Tried)
	if raw, err := frame.ParsePosition(e.RawID); err == nil && s.provider.Unsigned && e.Last == "" {
		err := f.cfg.Store.PutDeadLetter(ctx, stream.DeadLetter{
			Raw: raw, Provider: s.provider.Name, Account: s.account, Kind: "unconfirmed", Time: now,
			Error: "the provider does not know the call that an unsigned webhook told of",
		})
		if err != nil {
			return fmt.Errorf("keep a dead letter: %w", err)
		}
		return f.end(ctx, s, d, e)
	}
	body, err := normalizer.GiveUp(s.key(e.Ask.CallID), e.Ended, now.UTC())
	if err != nil {
		return err
	}
	if _, err := f.cfg.Ingest(ctx, body); err != nil {
		return fmt.Errorf("store that a report is given up: %w", err)
	}
	return f.end(ctx, s, d, e)
}
