package maintenance

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"callwatch/pipeline/eventlog"
	"callwatch/rules"
	"callwatch/rules/backtest"
	"callwatch/stream"
)

// maxIncidentDiffs bounds each list of incidents that differ.
const maxIncidentDiffs = 1000

// IncidentDiff is how the incidents would differ, had the corrected events been
// there from the start.
type IncidentDiff struct {
	Before  int           `json:"before"`
	After   int           `json:"after"`
	Added   []IncidentRef `json:"added"`
	Gone    []IncidentRef `json:"gone"`
	Omitted int           `json:"omitted,omitempty"` // of both lists
}

// IncidentRef names an incident by what is the same in every run.
type IncidentRef struct {
	Rule     string         `json:"rule"`
	Key      string         `json:"key"`
	OpenedAt time.Time      `json:"openedAt"`
	Severity rules.Severity `json:"severity"` // at the opening
	Summary  string         `json:"summary"`
}

func (r IncidentRef) id() string {
	return r.Rule + "\x00" + r.Key + "\x00" + r.OpenedAt.Format(time.RFC3339Nano) + string(r.Severity)
}

// keyText is the key of an incident as people read it.
func keyText(by []rules.Label) string {
	values := make([]string, len(by))
	for i, l := range by {
		values[i] = cmp.Or(l.Value, "unknown")
	}
	return strings.Join(values, ", ")
}

// incidents runs the rules over the stored events, then over the corrected ones.
func (r *replaying) incidents(ctx context.Context) (*IncidentDiff, error) {
	set, options, err := r.m.cfg.Backtest()
	if err != nil {
		return nil, err
	}
	from := r.since
	if r.first.Before(from) {
		from = r.first
	}
	before, err := r.opened(ctx, set, options, from, nil)
	if err != nil {
		return nil, err
	}
	after, err := r.opened(ctx, set, options, from, func(b *eventlog.Backfill) error {
		for _, c := range r.differ {
			var made [][]byte
			for _, content := range c.made {
				data, err := r.changes.Read(content)
				if err != nil {
					return err
				}
				made = append(made, data)
			}
			if err := b.Correct(c.of, c.at, made); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d := &IncidentDiff{Before: len(before), After: len(after)}
	d.Added, d.Gone = missingFrom(before, after), missingFrom(after, before)
	for _, list := range []*[]IncidentRef{&d.Added, &d.Gone} {
		if over := len(*list) - maxIncidentDiffs; over > 0 {
			*list, d.Omitted = (*list)[:maxIncidentDiffs], d.Omitted+over
		}
	}
	return d, nil
}

// missingFrom are the incidents of all that had does not have, oldest first.
func missingFrom(had, all map[string]IncidentRef) []IncidentRef {
	out := []IncidentRef{}
	for id, in := range all {
		if _, ok := had[id]; !ok {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b IncidentRef) int {
		return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Key, b.Key))
	})
	return out
}

// opened are the incidents that the rules open over the stored events.
func (r *replaying) opened(ctx context.Context, set *rules.Set, options backtest.Options, from time.Time, change func(*eventlog.Backfill) error) (map[string]IncidentRef, error) {
	test := backtest.New(set, options)
	found := map[string]IncidentRef{}
	ended := errors.New("the end that was asked for")
	_, err := eventlog.Read(ctx, r.m.cfg.Store, eventlog.Reading{Since: from, Raw: true, Change: change}, func(m eventlog.Moment) error {
		switch {
		case m.Event == nil || m.At.Before(from):
			return nil // the backtest makes its own ticks
		case !r.until.IsZero() && !m.At.Before(r.until):
			return ended
		}
		for _, t := range test.EventText(m.At, m.Event, m.Text) {
			if t.Step == rules.StepOpened {
				in := &t.Incident
				ref := IncidentRef{Rule: in.Rule, Key: keyText(in.By), OpenedAt: in.OpenedAt, Severity: in.Severity, Summary: in.Summary}
				found[ref.id()] = ref
			}
		}
		return nil
	})
	if errors.Is(err, ended) {
		err = nil
	}
	return found, err
}

// eventCursor reads the stored events beside RAW: both are in the same order.
type eventCursor struct {
	batches chan []stream.Message
	batch   []stream.Message
	cancel  context.CancelFunc
	reading sync.WaitGroup
	failed  error // of the reader; valid once batches is closed
	err     error
}

func newEventCursor(ctx context.Context, store *stream.Store, since time.Time) *eventCursor {
	ctx, cancel := context.WithCancel(ctx)
	c := &eventCursor{batches: make(chan []stream.Message, 2), cancel: cancel}
	c.reading.Go(func() {
		defer close(c.batches)
		c.failed = c.read(ctx, store, since)
	})
	return c
}

func (c *eventCursor) read(ctx context.Context, store *stream.Store, since time.Time) error {
	var batch []stream.Message
	put := func() error {
		select {
		case c.batches <- batch:
			batch = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := store.EventsSince(ctx, since, func(m stream.Message) error {
		if batch = append(batch, m); len(batch) < eventlog.BatchSize {
			return nil
		}
		return put()
	})
	if err != nil {
		return err
	}
	return put()
}

// stop ends reading.
func (c *eventCursor) stop() {
	c.cancel()
	c.reading.Wait()
}

// of are the events of the record at a position; positions only grow.
func (c *eventCursor) of(at stream.Position) (events []stream.Message) {
	for {
		for len(c.batch) == 0 {
			batch, more := <-c.batches
			if !more {
				c.err = c.failed
				return events
			}
			c.batch = batch
		}
		raw, _, ok := c.batch[0].Raw()
		if ok && at.Before(raw) {
			return events
		}
		if ok && raw == at {
			events = append(events, c.batch[0])
		}
		c.batch = c.batch[1:]
	}
}
