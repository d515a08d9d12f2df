package maintenance

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"callwatch/pipeline/eventlog"
	"callwatch/stream"
	"callwatch/stream/frame"
)

// ReplayReport is how the events of the present normalizer differ from those stored.
type ReplayReport struct {
	Bodies    int           `json:"bodies"`    // looked at
	Same      int           `json:"same"`      // whose events are as they are stored
	Changed   int           `json:"changed"`   // whose events differ
	Added     int           `json:"added"`     // that had no event and have one now
	Emptied   int           `json:"emptied"`   // that had events and have none now
	Failed    int           `json:"failed"`    // that can no longer be normalized: their events stay
	Fields    []FieldDiff   `json:"fields"`    // that differ, most frequent first
	Incidents *IncidentDiff `json:"incidents"` // null where no event differs
	Applied   int           `json:"applied"`   // bodies whose events were corrected
	DryRun    bool          `json:"dryRun"`
}

// replaying is one replay of stored bodies through the present normalizer.
type replaying struct {
	m            *Maintenance
	since, until time.Time
	provider     string
	apply        bool
	rate         float64 // corrections a second; 0: as fast as they are stored
	upTo         uint64  // frame behind which events may still be missing

	events  *eventCursor
	had     *eventlog.Backfill             // corrections that are stored
	stored  map[stream.Position][]int      // of those, the events of each correcting record
	changes eventlog.Spool                 // content of the events as they should be, if they differ
	dead    map[stream.Position]bool       // dead letters, which have a replay of their own
	differ  []correction                   // in the order of RAW
	unmade  map[stream.Position]correction // bodies that had no event; perhaps a later replay of them has
	fields  fieldDiffs
	report  ReplayReport
	first   time.Time // at which a change counts
}

// correction is a body whose events are not those that are stored.
type correction struct {
	of   stream.Position
	at   time.Time
	made []eventlog.Content // in changes
}

// replay runs stored bodies through the present normalizer and tells how their
// events and the incidents about them differ from what is stored; with apply it
// stores the corrections.
//
// A correction is the body once more in RAW, with a note of which record's events
// it replaces and when they count. Its events are in EVENTS as history: what is
// read from the store from then on (backtest, suggest, explain, calls show) sees
// them in the place of the old ones, and the rules that run do not, so nothing is
// announced, be it once more or for the first time.
func (m *Maintenance) replay(ctx context.Context, params url.Values, progress Progress) (out ReplayReport, err error) {
	r := replaying{m: m, provider: params.Get("provider"), apply: params.Get("apply") == "true", fields: fieldDiffs{}, unmade: map[stream.Position]correction{}}
	now := time.Now()
	if r.since, err = eventlog.ParseTime(params.Get("since"), now); err != nil {
		return out, refuse("since: %w", err)
	}
	if r.until, err = eventlog.ParseTime(params.Get("until"), now); err != nil {
		return out, refuse("until: %w", err)
	}
	if rate := params.Get("rate"); rate != "" {
		if r.rate, err = strconv.ParseFloat(rate, 64); err != nil || r.rate < 0 {
			return out, refuse("rate: %.20q is not a number of bodies a second", rate)
		}
	}
	if _, known := m.cfg.Providers.Find(r.provider); r.provider != "" && !known {
		return out, refuse("there is no provider %.40q", r.provider)
	}
	if r.upTo, err = m.cfg.Stages.NormalizedUpTo(ctx); err != nil {
		return out, err
	}
	r.dead = map[stream.Position]bool{}
	defer func() { err = errors.Join(err, r.changes.Close()) }()
	letters, err := m.cfg.Store.DeadLetters(ctx, MaxDeadLetters)
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

// correction keeps what the events of a body should be.
func (r *replaying) correction(of stream.Position, at time.Time, made [][]byte) (correction, error) {
	c := correction{of: of, at: at}
	for _, data := range made {
		content, err := r.changes.Add(data)
		if err != nil {
			return c, err
		}
		c.made = append(c.made, content)
	}
	return c, nil
}

func (r *replaying) change(c correction) {
	if r.first.IsZero() || c.at.Before(r.first) {
		r.first = c.at
	}
	r.differ = append(r.differ, c)
}

// store puts the bodies that make other events now behind the others in RAW.
func (r *replaying) store(ctx context.Context, progress Progress) error {
	var last stream.Position
	pace := newPace(r.rate)
	for i, c := range r.differ {
		b, err := r.m.cfg.Store.Record(ctx, c.of.String())
		if errors.Is(err, stream.ErrNotFound) {
			continue // its retention has ended
		}
		if err != nil {
			return err
		}
		b.Replays, b.CountsAt = c.of, c.at
		if err := pace.wait(ctx); err != nil {
			return err
		}
		id, err := r.m.cfg.Store.Append(ctx, b)
		if err != nil {
			return fmt.Errorf("store a correction: %w (%d of %d are stored; run it again)", err, i, len(r.differ))
		}
		if last, err = frame.ParsePosition(id); err != nil {
			return err
		}
		r.report.Applied++
		progress(int64(i+1), int64(len(r.differ)))
	}
	if r.report.Applied == 0 {
		return nil
	}
	return r.m.cfg.Stages.Normalized(ctx, last.Seq)
}
