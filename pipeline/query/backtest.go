package query

import (
	"cmp"
	"context"
	"errors"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
	"callwatch/rules/rulefmt"
)

const (
	backtestTime  = 5 * time.Minute
	backtestCalls = 200  // listed of each rule
	progressEvery = 1000 // events
)

// check compiles rules that are not in force.
func (r *Reader) check(ctx context.Context, sources []rules.Source) (*rules.Set, rules.Problems, error) {
	release, err := r.cfg.Turns.Take(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	return rulefmt.LoadDraft(ctx, sources, r.cfg.Rules())
}

// backtest runs rules over what is stored.
func (r *Reader) backtest(ctx context.Context, q backend.BacktestQuery, progress func(done, total uint64)) (backtest.Report, error) {
	set := r.cfg.Rules()
	options := backtest.Options{Engine: engine.Options{Prefer: r.cfg.Fold.Prefer, Rate: r.cfg.Fold.Rate}, MaxCalls: cmp.Or(q.Calls, backtestCalls)}
	if q.Baseline {
		options.Baseline = cmp.Or(q.Against, set)
	}
	test := backtest.New(cmp.Or(q.Rules, set), options)
	err := r.replay(ctx, q.Since, q.Until, true, progress, func(e eventlog.Stored, event *call.Event) {
		switch {
		case e.Action && resumes(e.Data):
			test.Resume(e.At)
		case e.Tick: // what people did to incidents, rules under test cannot know
			test.Tick(e.At)
		default:
			test.EventText(e.At, event, e.Data)
		}
	})
	return test.Report(), err
}

// Suggest describes how a field is spread over the stored calls. What is wrong with
// the query is a *backend.QueryError; backend.ErrBusy.
func (r *Reader) Suggest(ctx context.Context, q backend.SuggestQuery, progress func(done, total uint64)) (backtest.Suggestion, error) {
	suggest, err := backtest.NewSuggest(q.Field, q.By, r.cfg.Fold.Prefer)
	if err != nil {
		return backtest.Suggestion{}, &backend.QueryError{Reason: err.Error()}
	}
	err = r.replay(ctx, q.Since, q.Until, false, progress, func(e eventlog.Stored, event *call.Event) {
		if event != nil {
			suggest.Event(event)
		}
	})
	return suggest.Report(), err
}

// errUntil ends reading at the end that was asked for.
var errUntil = errors.New("the end that was asked for")

// replay reads stored events and what is between them on one goroutine; event is
// nil for the latter. raw decodes the providers' own members too. It gives up its turn
// now and then, so that others who ask for shorter work do not wait for its end. One
// runs at a time: backend.ErrBusy.
func (r *Reader) replay(ctx context.Context, since, until time.Time, raw bool, progress func(done, total uint64), fn func(e eventlog.Stored, event *call.Event)) error {
	if !r.testing.TryLock() {
		return backend.ErrBusy
	}
	defer r.testing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, backtestTime)
	defer cancel()
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	release, err := r.cfg.Turns.Wait(ctx)
	if err != nil {
		return err
	}
	defer func() { release() }()
	var done uint64
	err = eventlog.InOrder(ctx, r.cfg.Store, since, nil, func(e eventlog.Stored, left uint64) error {
		if done++; done%progressEvery == 0 || left == 0 {
			release() // who receives the progress may be slow
			progress(done, done+left)
			if release, err = r.cfg.Turns.Wait(ctx); err != nil {
				release = func() {}
				return err
			}
		}
		if e.At.Before(since) {
			return nil
		}
		if !until.IsZero() && !e.At.Before(until) {
			return errUntil
		}
		if e.Tick {
			fn(e, nil)
			return nil
		}
		event := &call.Event{}
		if eventlog.Decode(e.Data, raw, event) == nil {
			fn(e, event)
		}
		return nil
	})
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

// resumes reports whether an action says that callwatch was started: the time before
// is no absence of calls, for the rules under test either.
func resumes(data []byte) bool {
	action, err := rules.ParseAction(data)
	return err == nil && action.Do == rules.Resume
}
