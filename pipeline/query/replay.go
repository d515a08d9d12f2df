package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"callwatch/call"
	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/engine"
	"callwatch/rules/ruletest"
	"callwatch/stream"
)

// Bounds of the stored events that are read to explain one call.
const (
	explainEvents = 100_000
	explainTime   = 4 * time.Second
)

// Arrival is an event and when it was stored.
type Arrival struct {
	At    time.Time
	Event call.Event
}

// Replay explains a call by what was stored around it.
type Replay struct {
	Store   *stream.Store
	Set     *rules.Set
	Options engine.Options
	Events  int // to read at most; 0 is 100,000
}

var errReplayed = errors.New("the call is judged")

// Explain feeds the engine with the stored events before the call and after it
// until it is judged, so that windows have the figures of that time. own is the
// events of the call. If there are more events than are read for one call, the
// explanation is made from own alone and windows stay unjudged.
func (r *Replay) Explain(ctx context.Context, k call.Key, own []Arrival) (rules.CallExplanation, error) {
	if r.Set.HasWindows() {
		x, err := r.replay(ctx, k, own)
		var tooMuch tooMuchToReplay
		if err == nil || !errors.As(err, &tooMuch) {
			return x, err
		}
		x, err = r.alone(own)
		x.WithoutOthers(r.Set, "the figures of that time are not shown: "+tooMuch.Error())
		return x, err
	}
	return r.alone(own)
}

// tooMuchToReplay is why the figures of a time are not computed again.
type tooMuchToReplay string

func (e tooMuchToReplay) Error() string { return string(e) }

func (r *Replay) alone(own []Arrival) (rules.CallExplanation, error) {
	t := ruletest.NewTrace(r.Set, r.Options)
	for i := range own {
		t.Apply(own[i].At, &own[i].Event)
	}
	return explanationIn(t)
}

func explanationIn(t *ruletest.Trace) (rules.CallExplanation, error) {
	if calls := t.Calls(); len(calls) > 0 {
		return calls[0], nil
	}
	return rules.CallExplanation{}, fmt.Errorf("no event of the call was replayed: %w", stream.ErrNotFound)
}

func (r *Replay) replay(ctx context.Context, k call.Key, own []Arrival) (rules.CallExplanation, error) {
	first, last := own[0].At, own[len(own)-1].At
	until := last.Add(r.Set.Lookahead())
	within, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	t := ruletest.NewTrace(r.Set, r.Options)
	t.Focus(k)
	n, most, raw := 0, cmp.Or(r.Events, explainEvents), r.Set.ReadsRaw()
	from := first.Add(-r.Set.Lookback())
	err := eventlog.InOrder(within, r.Store, from, nil, func(e eventlog.Stored, _ uint64) error {
		switch {
		case e.At.Before(from): // history that was imported since
			return nil
		case e.At.After(until), e.At.After(last) && t.Done(k):
			return errReplayed
		case within.Err() != nil:
			return within.Err()
		case e.Tick:
			t.Wait(e.At)
			return nil
		}
		if n++; n > most {
			return tooMuchToReplay(fmt.Sprintf("there are more than %d events before the call was judged", most))
		}
		event := &call.Event{}
		if eventlog.Decode(e.Data, raw, event) == nil {
			t.Apply(e.At, event)
		}
		return nil
	})
	switch {
	case errors.Is(err, errReplayed):
	case ctx.Err() != nil:
		return rules.CallExplanation{}, ctx.Err()
	case within.Err() != nil:
		return rules.CallExplanation{}, tooMuchToReplay(fmt.Sprintf("reading the events before the call takes longer than %s", explainTime))
	case err != nil:
		return rules.CallExplanation{}, err
	}
	if now := time.Now(); !t.Done(k) && !until.After(now) {
		t.Wait(until)
	}
	return explanationIn(t)
}
