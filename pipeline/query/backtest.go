package query

import (
	"context"
	"time"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/rules/engine"
)

const (
	backtestTime  = 5 * time.Minute
	backtestCalls = 200  // listed of each rule
	progressEvery = 1000 // events
)

// check compiles rules that are not in force.
func (r *Reader) check(ctx context.Context, name string, src []byte) (*rules.Set, rules.Problems, error) {
	release, err := r.checking.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	return rules.LoadContext(ctx, name, src)
}

// backtest runs rules over what is stored, on one goroutine: webhooks go first.
func (r *Reader) backtest(ctx context.Context, q backend.BacktestQuery, progress func(done, total uint64)) (backtest.Report, error) {
	set := r.cfg.Rules()
	options := backtest.Options{Engine: engine.Options{Prefer: r.cfg.Fold.Prefer, Rate: r.cfg.Fold.Rate}, MaxCalls: backtestCalls}
	if q.Baseline {
		options.Baseline = set
	}
	if q.Rules != "" {
		var problems rules.Problems
		var err error
		if set, problems, err = r.check(ctx, "rules.yaml", []byte(q.Rules)); err != nil {
			return backtest.Report{}, err
		}
		if problems.Errors() {
			return backtest.Report{}, problems
		}
	}
	if !r.testing.TryLock() {
		return backtest.Report{}, backend.ErrBusy
	}
	defer r.testing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, backtestTime)
	defer cancel()
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	test := backtest.New(set, options)
	var done uint64
	err := eventlog.InOrder(ctx, r.cfg.Store, q.Since, nil, func(e eventlog.Stored, left uint64) error {
		if done++; done%progressEvery == 0 || left == 0 {
			progress(done, done+left)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		switch {
		case e.Action && resumes(e.Data):
			test.Resume(e.At)
			return nil
		case e.Tick: // what people did to incidents, rules under test cannot know
			test.Tick(e.At)
			return nil
		}
		event := &call.Event{}
		if eventlog.Decode(e.Data, true, event) == nil {
			test.Event(e.At, event)
		}
		return nil
	})
	return test.Report(), err
}

// resumes reports whether an action says that callwatch was started: the time before
// is no absence of calls, for the rules under test either.
func resumes(data []byte) bool {
	action, err := rules.ParseAction(data)
	return err == nil && action.Do == rules.Resume
}
