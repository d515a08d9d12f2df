package main

import (
	"log/slog"
	"slices"
	"time"
)

// sortable is how many events are held to put them in order.
const sortable = 20_000

// sequence puts the events of a file into the order of their times where there
// are few of them. Where there are many they are taken as they come, and what is
// out of order is told: it counts at the time of the latest before it.
type sequence struct {
	fn   func(moment) error
	log  *slog.Logger
	name string

	held     []moment
	flowing  bool
	latest   time.Time
	undated  int
	disorder int
	furthest time.Duration
}

func (q *sequence) take(m moment) error {
	if m.at.IsZero() {
		q.undated++
		m.at = q.latest
	}
	if late := q.latest.Sub(m.at); late > 0 {
		q.disorder++
		q.furthest = max(q.furthest, late)
	} else {
		q.latest = m.at
	}
	if q.flowing {
		return q.fn(m)
	}
	if q.held = append(q.held, m); len(q.held) <= sortable {
		return nil
	}
	q.flowing = true
	return q.release()
}

func (q *sequence) release() error {
	for _, m := range q.held {
		if err := q.fn(m); err != nil {
			return err
		}
	}
	q.held = nil
	return nil
}

// end lets go what is held and tells what was odd.
func (q *sequence) end() error {
	if q.undated > 0 {
		q.log.Warn("events tell no time: they count at the time of the event before", "file", q.name, "events", q.undated)
	}
	if q.disorder > 0 && q.flowing {
		q.log.Warn("too many events to put them in order: those out of order count at the time of the latest before; sort the file by receivedAt",
			"file", q.name, "outOfOrder", q.disorder, "furthest", q.furthest)
	}
	if q.disorder > 0 && !q.flowing {
		slices.SortStableFunc(q.held, func(a, b moment) int { return a.at.Compare(b.at) })
	}
	return q.release()
}
