package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"callwatch/normalizer"
	"callwatch/normalizer/fetch"
	"callwatch/pipeline/eventlog"
)

// skipped is why a list cannot be read at all.
type skipped struct{ reason string }

func (s *skipped) Error() string { return s.reason }

// page reads the pages of one list from where the cursor is.
func (l *listImport) page(ctx context.Context, list normalizer.Listing) error {
	resumed := l.at.Next != nil
	if !resumed {
		first := list.First(l.at.Since, l.at.Until, l.keys)
		for name, values := range l.filters {
			first.Query[name] = values
		}
		l.at.Next = &first
	}
	for l.at.Next != nil {
		answer, err := l.ask(ctx, *l.at.Next, l.client.List)
		var skip *skipped
		if errors.As(err, &skip) && resumed {
			// The place where the import stopped is no more: what is known is passed over.
			l.at.Next = nil
			return l.page(ctx, list)
		}
		if err != nil {
			return err
		}
		page, err := list.Page(*l.at.Next, answer.Body, l.at.Since, l.keys)
		if err != nil {
			return &skipped{"its answer cannot be read: " + err.Error()}
		}
		if err := l.take(ctx, page); err != nil {
			return err
		}
		if l.done.More {
			return nil
		}
		resumed, l.at.Next = false, page.Next
		if err := l.remember(ctx); err != nil {
			return err
		}
	}
	return nil
}

// take stores the calls of a page.
func (l *listImport) take(ctx context.Context, page normalizer.Page) (err error) {
	var list []historical
	for i, c := range page.Calls {
		if l.limit > 0 && l.at.Listed >= l.limit {
			l.done.More = i < len(page.Calls) || page.Next != nil
			break
		}
		if !c.At.IsZero() && (c.At.Before(l.at.Since) || !c.At.Before(l.at.Until)) {
			continue
		}
		l.at.Listed++
		if c, err = l.asStored(ctx, c); err != nil {
			return err
		}
		if c.Body != nil {
			list = append(list, historical{name: "call " + c.CallID, callID: c.CallID, body: c.Body})
		}
		for _, ask := range c.Asks {
			answer, err := l.ask(ctx, ask, l.client.Do)
			var skip *skipped
			switch {
			case errors.As(err, &skip):
				l.done.problem("call %s: %v", c.CallID, skip)
			case err != nil:
				return err
			case answer.Body != nil:
				list = append(list, historical{name: "call " + c.CallID, callID: ask.CallID, body: answer.Body})
			}
		}
	}
	err = l.store(ctx, list)
	l.progress(int64(l.at.Listed), int64(max(page.Total, 0)))
	return err
}

// asStored sees to it that a call is not Imported beside itself.
func (l *listImport) asStored(ctx context.Context, c normalizer.Listed) (normalizer.Listed, error) {
	if c.SessionID != "" && l.sessions == nil {
		known, err := eventlog.ReadKnown(ctx, l.m.cfg.Store, l.done.Provider, l.done.Account, time.Time{})
		if err != nil {
			return c, err
		}
		l.sessions = &known
	}
	if l.sessions == nil {
		return c, nil
	}
	return l.sessions.AsStored(c), nil
}

// ask sends a request until it is answered, as often as makes sense.
func (l *listImport) ask(ctx context.Context, ask normalizer.Ask, send func(context.Context, normalizer.Ask) (fetch.Answer, error)) (fetch.Answer, error) {
	for try := 1; ; try++ {
		if err := l.pace.wait(ctx); err != nil {
			return fetch.Answer{}, err
		}
		answer, err := send(ctx, ask)
		if err != nil {
			return answer, err
		}
		switch answer.Outcome {
		case fetch.Ready, fetch.Partial:
			return answer, nil
		case fetch.Throttled, fetch.Down:
			if answer.Outcome == fetch.Down && try >= maxListTries {
				return answer, fmt.Errorf("the provider cannot be asked: %s", answer.Reason)
			}
			pause := time.Until(answer.Until)
			if answer.Until.IsZero() {
				pause = time.Second << (try - 1)
			}
			select {
			case <-ctx.Done():
				return answer, ctx.Err()
			case <-time.After(max(pause, 10*time.Millisecond)):
			}
		case fetch.Denied:
			return answer, &skipped{"the credentials are refused: " + answer.Reason}
		default:
			return answer, &skipped{answer.Reason}
		}
	}
}
