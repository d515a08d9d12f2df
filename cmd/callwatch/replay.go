package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"callwatch/call"
	"callwatch/normalizer"
	"callwatch/stream"
)

// replayReport is how the events of the present normalizer differ from those stored.
type replayReport struct {
	Bodies    int           `json:"bodies"`    // looked at
	Same      int           `json:"same"`      // whose events are as they are stored
	Changed   int           `json:"changed"`   // whose events differ
	Added     int           `json:"added"`     // that had no event and have one now
	Emptied   int           `json:"emptied"`   // that had events and have none now
	Failed    int           `json:"failed"`    // that can no longer be normalized: their events stay
	Fields    []fieldDiff   `json:"fields"`    // that differ, most frequent first
	Incidents *incidentDiff `json:"incidents"` // null where no event differs
	Applied   int           `json:"applied"`   // bodies whose events were corrected
	DryRun    bool          `json:"dryRun"`
}

// replaying is one replay of stored bodies through the present normalizer.
type replaying struct {
	app          *app
	since, until time.Time
	provider     string
	apply        bool
	rate         float64 // corrections a second; 0: as fast as they are stored
	upTo         uint64  // frame behind which events may still be missing

	events  *eventCursor
	had     *past                          // corrections that are stored
	stored  map[stream.Position][]int      // of those, the events of each correcting record
	changes *past                          // content of the events as they should be, where they differ
	dead    map[stream.Position]bool       // dead letters, which have a replay of their own
	differ  []correction                   // in the order of RAW
	unmade  map[stream.Position]correction // bodies that had no event; perhaps a later replay of them has
	fields  fieldDiffs
	report  replayReport
	first   time.Time // at which a change counts
}

// correction is a body whose events are not those that are stored.
type correction struct {
	of   stream.Position
	at   time.Time
	made []int // places in changes
}

// replay runs stored bodies through the present normalizer and tells how their
// events and the incidents about them differ from what is stored; with apply it
// stores the corrections.
//
// A correction is the body once more in RAW, with a note of which record's events
// it replaces and when they count. Its events stand in EVENTS as history: what is
// read from the store from then on (backtest, suggest, explain, calls show) sees
// them in the place of the old ones, and the rules that run do not, so nothing is
// announced, be it once more or for the first time.
func (a *app) replay(ctx context.Context, params url.Values, progress func(done, total int64)) (out replayReport, err error) {
	r := replaying{app: a, provider: params.Get("provider"), apply: params.Get("apply") == "true", fields: fieldDiffs{}, unmade: map[stream.Position]correction{}}
	now := time.Now()
	if r.since, err = parseMoment(params.Get("since"), now); err != nil {
		return out, refuse("since: %w", err)
	}
	if r.until, err = parseMoment(params.Get("until"), now); err != nil {
		return out, refuse("until: %w", err)
	}
	if rate := params.Get("rate"); rate != "" {
		if r.rate, err = strconv.ParseFloat(rate, 64); err != nil || r.rate < 0 {
			return out, refuse("rate: %.20q is not a number of bodies a second", rate)
		}
	}
	if _, known := normalizer.Find(r.provider); r.provider != "" && !known {
		return out, refuse("there is no provider %.40q", r.provider)
	}
	if r.upTo, err = a.normalizedUpTo(ctx); err != nil {
		return out, err
	}
	r.changes, r.dead = &past{}, map[stream.Position]bool{}
	defer func() { err = errors.Join(err, r.changes.close()) }()
	letters, err := a.store.DeadLetters(ctx, maxLetters)
	if err != nil {
		return out, err
	}
	for _, d := range letters {
		r.dead[d.Raw] = true
	}
	if err := r.compare(ctx, progress); err != nil {
		return out, err
	}
	r.report.Fields, r.report.DryRun = r.fields.list(), !r.apply
	if len(r.differ) > 0 {
		if r.report.Incidents, err = r.incidents(ctx); err != nil {
			return out, fmt.Errorf("compare incidents: %w", err)
		}
	}
	if r.apply {
		err = r.store(ctx, progress)
	}
	return r.report, err
}

// compare looks at all bodies and gathers those whose events differ.
func (r *replaying) compare(ctx context.Context, progress func(done, total int64)) (err error) {
	if r.had, err = readPast(ctx, r.app.store, time.Time{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.had.close()) }()
	if err := r.had.sort(); err != nil {
		return err
	}
	r.stored = map[stream.Position][]int{}
	for i, e := range r.had.events {
		if e.of != (stream.Position{}) && !e.nothing {
			r.stored[e.raw] = append(r.stored[e.raw], i)
		}
	}
	r.events = newEventCursor(ctx, r.app.store, r.since)
	defer r.events.stop()
	var total uint64
	err = r.app.store.RecordsSince(ctx, r.since, func(records []stream.Record, left uint64) error {
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
	return errors.Join(err, r.changes.flush())
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
	events, reason := r.app.safeEvents(b)
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

// correction keeps what the events of a body should be.
func (r *replaying) correction(of stream.Position, at time.Time, made [][]byte) (correction, error) {
	c := correction{of: of, at: at}
	for _, data := range made {
		c.made = append(c.made, len(r.changes.events))
		if err := r.changes.add(pastEvent{at: at}, data); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (r *replaying) change(c correction) {
	if r.first.IsZero() || c.at.Before(r.first) {
		r.first = c.at
	}
	r.differ = append(r.differ, c)
}

// when is the time at which events count that were not stored before.
func (r *replaying) when(b *stream.Record, e *call.Event) time.Time {
	if at := countsAt(b, e); !at.IsZero() {
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
	latest, corrected := r.had.corrected[b.At]
	if !corrected {
		return old, at, nil
	}
	old = nil
	for _, i := range r.stored[latest] {
		data, err := r.had.data(&r.had.events[i])
		if err != nil {
			return nil, at, err
		}
		at = r.had.events[i].at
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

// store puts the bodies that make other events now behind the others in RAW.
func (r *replaying) store(ctx context.Context, progress func(done, total int64)) error {
	var last stream.Position
	pace := newPace(r.rate)
	for i, c := range r.differ {
		b, err := r.app.store.Record(ctx, c.of.String())
		if errors.Is(err, stream.ErrNotFound) {
			continue // its retention ended meanwhile
		}
		if err != nil {
			return err
		}
		b.Replays, b.CountsAt = c.of, c.at
		if err := pace.wait(ctx); err != nil {
			return err
		}
		id, err := r.app.store.Append(ctx, b)
		if err != nil {
			return fmt.Errorf("store a correction: %w (%d of %d are stored; run it again)", err, i, len(r.differ))
		}
		if last, err = stream.ParsePosition(id); err != nil {
			return err
		}
		r.report.Applied++
		progress(int64(i+1), int64(len(r.differ)))
	}
	if r.report.Applied == 0 {
		return nil
	}
	return r.app.settle(ctx, last.Seq)
}
