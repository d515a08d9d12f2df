package engine

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// deadline is a time at which something may have to happen to a key of a rule,
// or to a call that a rule is holding.
type deadline struct {
	at   time.Time
	rule string
	key  string
	call call.Key
}

// deadlines are ordered by time, then by name, so that every replay meets them
// in the same order. Entries that were moved are left in; what they find in the
// state decides.
type deadlines struct{ h deadlineHeap }

func (d *deadlines) push(x deadline) { heap.Push(&d.h, x) }

// pop takes the earliest deadline that is not after now.
func (d *deadlines) pop(now time.Time) (deadline, bool) {
	if len(d.h) == 0 || d.h[0].at.After(now) {
		return deadline{}, false
	}
	return heap.Pop(&d.h).(deadline), true
}

// before says whether a deadline comes before t.
func (d *deadlines) before(t time.Time) bool { return len(d.h) > 0 && d.h[0].at.Before(t) }

func (d *deadlines) next() time.Time {
	if len(d.h) == 0 {
		return time.Time{}
	}
	return d.h[0].at
}

type deadlineHeap []deadline

func (h deadlineHeap) Len() int      { return len(h) }
func (h deadlineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h deadlineHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.rule, b.rule), cmp.Compare(a.key, b.key),
		a.call.Compare(b.call)) < 0
}
func (h *deadlineHeap) Push(x any) { *h = append(*h, x.(deadline)) }
func (h *deadlineHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// expiry finds calls that had no event for long. Each is queued once while it is
// open and once after it has ended, however many events it has.
type expiry struct{ ended, open []touchedCall }

type touchedCall struct {
	call    *CallState
	touched int64 // microseconds since 1970
}

// wait queues a call: when it begins, when it ends, and again if it had an event
// while it was queued.
func (x *expiry) wait(cs *CallState) {
	c := touchedCall{cs, cs.Touched.UnixMicro()}
	if cs.Over {
		x.ended = append(x.ended, c)
	} else {
		x.open = append(x.open, c)
	}
}

// due returns the calls whose time is over, unless they had an event since.
func (x *expiry) due(now time.Time, o Options) []*CallState {
	return slices.Concat(takeBefore(&x.ended, now.Add(-o.EndedFor)), takeBefore(&x.open, now.Add(-o.OpenFor)))
}

// gone reports whether a call has expired.
func (o Options) gone(cs *CallState, now time.Time) bool {
	if cs.Over {
		return cs.Touched.Before(now.Add(-o.EndedFor))
	}
	return cs.Touched.Before(now.Add(-o.OpenFor))
}

func takeBefore(queue *[]touchedCall, limit time.Time) []*CallState {
	n, before := 0, limit.UnixMicro()
	for n < len(*queue) && (*queue)[n].touched < before {
		n++
	}
	if n == 0 {
		return nil
	}
	taken := make([]*CallState, n)
	for i := range taken {
		taken[i] = (*queue)[i].call
	}
	clear((*queue)[:n])
	*queue = (*queue)[n:]
	return taken
}

func sortIncidents(in []rules.Incident) {
	slices.SortFunc(in, func(a, b rules.Incident) int {
		return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
}
