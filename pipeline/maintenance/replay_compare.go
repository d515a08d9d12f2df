package maintenance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
)

// compare looks at all bodies and gathers those whose events differ.
func (r *replaying) compare(ctx context.Context, progress Progress) (err error) {
	if r.had, err = eventlog.ReadBackfill(ctx, r.m.cfg.Store, time.Time{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.had.Close()) }()
	r.stored = map[stream.Position][]int{}
	for i, e := range r.had.Entries {
		if e.Of != (stream.Position{}) && !e.None {
			r.stored[e.Raw] = append(r.stored[e.Raw], i)
		}
	}
	r.events = newEventCursor(ctx, r.m.cfg.Store, r.since)
	defer r.events.stop()
	var total uint64
	err = r.m.cfg.Store.RecordsSince(ctx, r.since, func(records []stream.Record, left uint64) error {
		total = max(total, left)
		progress(int64(total-left), int64(total)) //nolint:gosec // counts of messages
		for i := range records {
			if err := r.look(&records[i]); err != nil {
				return fmt.Errorf("raw %s: %w", records[i].ID(), err)
			}
		}
		return nil
	}, func(*stream.Damage) {})
	for _, c := range r.unmade {
		r.report.Added++
		r.change(c)
	}
	slices.SortFunc(r.differ, func(a, b correction) int {
		return cmp.Or(cmp.Compare(a.of.Seq, b.of.Seq), cmp.Compare(a.of.Index, b.of.Index))
	})
	return errors.Join(err, r.changes.Flush())
}

// look compares the events of one body. Corrections are looked at with the body
// they correct.
func (r *replaying) look(b *stream.Record) error {
	old, at, err := r.eventsOf(b)
	if err != nil {
		return err
	}
	switch {
	case !b.CountsAt.IsZero(), r.provider != "" && b.Provider != r.provider, b.At.Seq > r.upTo,
		!r.until.IsZero() && !b.ReceivedAt.Before(r.until), b.ReceivedAt.Before(r.since):
		return nil
	}
	r.report.Bodies++
	delete(r.unmade, b.Replays)
	events, reason := r.m.cfg.Events(b)
	if reason != nil {
		if len(old) > 0 {
			r.report.Failed++
		}
		return nil
	}
	var made [][]byte
	for i := range events {
		data, err := events[i].JSON()
		if err != nil {
			return err
		}
		made = append(made, data)
	}
	if len(old) == 0 {
		if len(made) == 0 || r.dead[b.At] {
			r.report.Same++
			return nil
		}
		c, err := r.correction(b.At, r.when(b, &events[0]), made)
		r.unmade[b.At] = c
		return err
	}
	differ, err := r.differs(b.ID(), old, made)
	switch {
	case err != nil:
		return err
	case !differ:
		r.report.Same++
		return nil
	case len(made) == 0:
		r.report.Emptied++
	default:
		r.report.Changed++
	}
	c, err := r.correction(b.At, at, made)
	r.change(c)
	return err
}

// when is the time at which events count that were not stored before.
func (r *replaying) when(b *stream.Record, e *call.Event) time.Time {
	if at := eventlog.CountsAt(b, e); !at.IsZero() {
		return at
	}
	return b.ReceivedAt
}

// eventsOf are the events of a body that are in force, and when the first counts.
func (r *replaying) eventsOf(b *stream.Record) (old [][]byte, at time.Time, err error) {
	for _, m := range r.events.of(b.At) {
		if at.IsZero() {
			at = m.CountsAt()
		}
		old = append(old, m.Data)
	}
	if r.events.err != nil {
		return nil, at, r.events.err
	}
	latest, corrected := r.had.Corrections[b.At]
	if !corrected {
		return old, at, nil
	}
	old = nil
	for _, i := range r.stored[latest] {
		data, err := r.had.Data(&r.had.Entries[i])
		if err != nil {
			return nil, at, err
		}
		at = r.had.Entries[i].At
		old = append(old, data)
	}
	return old, at, nil
}

// differs compares the events of a body one by one, and counts one that is more
// or less as a difference of its id.
func (r *replaying) differs(rawID string, old, made [][]byte) (differ bool, err error) {
	for i := range max(len(old), len(made)) {
		was, is := json.RawMessage("{}"), json.RawMessage("{}")
		if i < len(old) {
			was = old[i]
		}
		if i < len(made) {
			is = made[i]
		}
		d, err := r.fields.compare(rawID, was, is)
		if err != nil {
			return false, err
		}
		differ = differ || d
	}
	return differ, nil
}
