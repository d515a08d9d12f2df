package eventlog

import (
	"log/slog"
	"slices"
	"time"
)

// Sortable is the number of events that a Sequence holds to put them in order.
const Sortable = 20_000

// Sequence puts the events of a file into the order of their times if there are
// few of them. Many are passed on as they come: one out of order counts at the time
// of the latest before it, and End logs how many there were.
type Sequence struct {
	fn   func(Moment) error
	log  *slog.Logger
	name string

	held     []Moment
	flowing  bool
	latest   time.Time
	undated  int
	disorder int
	furthest time.Duration
}

// NewSequence passes events on to fn. name is the file's in messages.
func NewSequence(name string, log *slog.Logger, fn func(Moment) error) *Sequence {
	return &Sequence{fn: fn, log: log, name: name}
}

// Take adds an event.
func (q *Sequence) Take(m Moment) error {
	if m.At.IsZero() {
		q.undated++
		m.At = q.latest
	}
	if late := q.latest.Sub(m.At); late > 0 {
		q.disorder++
		q.furthest = max(q.furthest, late)
	} else {
		q.latest = m.At
	}
	if q.flowing {
		return q.fn(m)
	}
	if q.held = append(q.held, m); len(q.held) <= Sortable {
		return nil
	}
	q.flowing = true
	return q.release()
}

func (q *Sequence) release() error {
	for _, m := range q.held {
		if err := q.fn(m); err != nil {
			return err
		}
	}
	q.held = nil
	return nil
}

// End passes on the events that are held, and logs what was wrong with the times.
func (q *Sequence) End() error {
	if q.undated > 0 {
		q.log.Warn("events without a time count at the time of the event before", "file", q.name, "events", q.undated)
	}
	if q.disorder > 0 && q.flowing {
		q.log.Warn("too many events to put them in order: one out of order counts at the time of the latest before; sort the file by receivedAt",
			"file", q.name, "outOfOrder", q.disorder, "furthest", q.furthest)
	}
	if q.disorder > 0 && !q.flowing {
		slices.SortStableFunc(q.held, func(a, b Moment) int { return a.At.Compare(b.At) })
	}
	return q.release()
}
