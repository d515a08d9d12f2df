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

func sortIncidents(in []rules.Incident) {
	slices.SortFunc(in, func(a, b rules.Incident) int {
		return cmp.Or(a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
}
