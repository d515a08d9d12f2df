package fetching

import (
	"context"
	"errors"
	"fmt"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/pipeline/eventlog"
	"callwatch/pipeline/stage"
)

const (
	// sweepOverlap is how far a sweep looks back behind the one before: calls are
	// listed by their beginning, and are missing only after their end.
	sweepOverlap = 2 * time.Hour
	// maxSweepPages bounds one sweep of one list.
	maxSweepPages = 2000
	maxSwept      = 100_000
)

// errNoList says that a provider's list could not be read now.
var errNoList = errors.New("the list of calls cannot be read")

// sweep searches the providers' lists for calls whose webhooks were lost, at the
// start and from time to time: a provider that does not send again leaves no other
// trace of them.
func (f *Fetch) sweep(ctx context.Context) error {
	for {
		if err := f.normalized(ctx); err != nil {
			return err
		}
		for _, s := range f.apis {
			lists := s.provider.REST.Calls
			if lists == nil || len(lists(s.keys)) == 0 {
				continue
			}
			found, err := f.sweepOne(ctx, s, lists(s.keys)[0])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			outcome := "ok"
			if err != nil {
				outcome = "failed"
				f.cfg.Log.Warn("calls could not be swept", "provider", s.name, "err", err)
			}
			f.cfg.Observe.Swept(s.provider.Name, s.account, outcome, found)
			if found > 0 {
				f.cfg.Log.Info("calls without their webhooks were found", "provider", s.name, "calls", found)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.cfg.Sweep):
		}
	}
}

// normalized waits until the events of all stored webhooks are stored.
func (f *Fetch) normalized(ctx context.Context) error {
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for !f.cfg.Normalized() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
	}
	return nil
}

// sweepOne fetches the calls of one provider that ended and whose end no stored event
// has. The first sweep only notes where to begin: older calls are history.
func (f *Fetch) sweepOne(ctx context.Context, s *fetchAPI, list normalizer.Listing) (found int, err error) {
	note := "swept." + s.name
	begun := time.Now().UTC()
	value, rev, err := f.notes.Load(ctx, note)
	if err != nil {
		return 0, fmt.Errorf("read how far calls were swept: %w", err)
	}
	last, parseErr := time.Parse(time.RFC3339Nano, string(value))
	if rev > 0 && parseErr != nil {
		f.notes.Skip(note, rev, parseErr)
	}
	if rev > 0 && parseErr == nil {
		if found, err = f.findMissing(ctx, s, list, last.Add(-sweepOverlap)); err != nil {
			return found, err
		}
	}
	if _, _, err := f.notes.Save(ctx, note, []byte(begun.Format(time.RFC3339Nano)), rev); err != nil {
		return found, fmt.Errorf("note how far calls were swept: %w", err)
	}
	return found, nil
}

func (f *Fetch) findMissing(ctx context.Context, s *fetchAPI, list normalizer.Listing, since time.Time) (found int, err error) {
	known, err := eventlog.ReadKnown(ctx, f.cfg.Store, s.provider.Name, s.account, since)
	if err != nil {
		return 0, err
	}
	next := new(list.First(since, time.Time{}, s.keys))
	for pages := 0; next != nil; pages++ {
		if pages == maxSweepPages {
			f.cfg.Log.Warn("a sweep ends before the end of the list", "provider", s.name, "pages", pages)
			break
		}
		page, err := f.page(ctx, s, list, *next, since)
		if err != nil {
			return found, err
		}
		for _, c := range page.Calls {
			c = known.AsStored(c)
			// Lists are no finer than a day here and there.
			early := !c.At.IsZero() && c.At.Before(since)
			if !c.Over || c.CallID == "" || early || known.Ended[c.CallID] || s.swept[c.CallID] || f.cfg.Erased.Has(s.key(c.CallID)) {
				continue
			}
			if err := f.fetchMissing(ctx, s, c); err != nil {
				return found, err
			}
			if len(s.swept) >= maxSwept {
				clear(s.swept)
			}
			s.swept[c.CallID] = true
			found++
		}
		next = page.Next
	}
	return found, nil
}

// page asks for one page, and waits where the provider asks for a pause.
func (f *Fetch) page(ctx context.Context, s *fetchAPI, list normalizer.Listing, ask normalizer.Ask, since time.Time) (normalizer.Page, error) {
	for tries := 0; ; tries++ {
		answer, err := s.client.List(ctx, ask)
		if err != nil {
			return normalizer.Page{}, err
		}
		f.observe(s, ask, answer)
		switch {
		case answer.Outcome == fetch.Ready:
			page, err := list.Page(ask, answer.Body, since, s.keys)
			if err != nil {
				return page, fmt.Errorf("%w: %w", errNoList, err)
			}
			return page, nil
		case answer.Outcome == fetch.Throttled && tries < 10, answer.Outcome == fetch.Down && tries < 3:
			pause := latest(answer.Until, time.Now().Add(time.Second))
			select {
			case <-ctx.Done():
				return normalizer.Page{}, ctx.Err()
			case <-time.After(time.Until(pause)):
			}
		default:
			return normalizer.Page{}, fmt.Errorf("%w: %s, %s", errNoList, answer.Outcome, answer.Reason)
		}
	}
}

// fetchMissing ingests what the list has of a call, and schedules jobs for the rest.
func (f *Fetch) fetchMissing(ctx context.Context, s *fetchAPI, c normalizer.Listed) error {
	now := time.Now().UTC()
	asks := c.Asks
	if c.Body != nil {
		body := normalizer.Body{
			Provider: s.provider.Name, Account: s.account, Source: normalizer.Fetched, ContentType: "application/json", CallID: c.CallID,
			Bytes: c.Body, ReceivedAt: now,
		}
		if _, err := f.cfg.Ingest(ctx, body); err != nil {
			return fmt.Errorf("store a call that was missing: %w", err)
		}
		// The entry may be the webhook itself: it asks for what the webhook would
		// have. One that cannot be read becomes a dead letter when it is normalized.
		events, _ := f.cfg.Events(stage.Record(body))
		for i := range events {
			asks = append(asks, s.provider.REST.Wants(&events[i], s.keys)...)
		}
	}
	for _, ask := range asks {
		if err := f.schedule(ctx, s, job{Ask: ask, Ended: c.At, Begun: now}); err != nil {
			return err
		}
	}
	return nil
}
