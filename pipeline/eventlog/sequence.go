package eventlog

import (
	"errors"
	"log/slog"
	"slices"
	"time"
)

// Sortable is the number of events that a Sequence holds to put them in order.
const Sortable = 20_000

// Sequence passes the events of a file on in the order of their times. Few are held
// in memory; what becomes of more is for its Order to say.
type Sequence struct {
	fn    func(Moment) error
	log   *slog.Logger
	name  string
	order Order

	held     []Moment
	flowing  bool
	runs     runs
	latest   time.Time
	undated  int
	disorder bool
}

// Order is what a Sequence does with more events than it holds.
type Order int

const (
	// Sorted sorts them in a temporary file: they are passed on at the end.
	Sorted Order = iota
	// Expected passes them on at once; one that is out of order ends it with
	// ErrOutOfOrder. Most files are in order, and are read in half the time.
	Expected
	// AnyOrder passes them on as they come.
	AnyOrder
)

// ErrOutOfOrder says that an event is earlier than one that was passed on.
var ErrOutOfOrder = errors.New("events are out of order")

// NewSequence passes events on to fn. name is the file's in messages.
func NewSequence(name string, log *slog.Logger, order Order, fn func(Moment) error) *Sequence {
	return &Sequence{fn: fn, log: log, name: name, order: order}
}

// Take adds an event.
func (q *Sequence) Take(m Moment) error {
	if m.At.IsZero() {
		q.undated++
		m.At = q.latest
	}
	if m.At.Before(q.latest) {
		if q.disorder = true; q.flowing && q.order == Expected {
			return ErrOutOfOrder
		}
	} else {
		q.latest = m.At
	}
	if q.flowing {
		return q.fn(m)
	}
	if q.held = append(q.held, m); len(q.held) <= Sortable {
		return nil
	}
	if q.order == Sorted {
		err := q.runs.add(q.held)
		clear(q.held)
		q.held = q.held[:0]
		return err
	}
	q.flowing = true
	return q.release()
}

func (q *Sequence) release() error {
	if q.disorder {
		slices.SortStableFunc(q.held, func(a, b Moment) int { return a.At.Compare(b.At) })
	}
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
	if len(q.runs.ends) == 0 {
		return q.release()
	}
	if err := q.runs.add(q.held); err != nil {
		return err
	}
	q.held = nil
	return q.runs.each(q.fn)
}

// Close removes what the sequence has in temporary files.
func (q *Sequence) Close() error { return q.runs.close() }
