package engine

import (
	"cmp"
	"slices"
	"time"

	"callwatch/rules"
	"callwatch/rules/engine/calls"
)

// settling holds the calls that have ended and may yet be reported on, in the
// order in which their ends were stored: one queue for each `settle` of the set.
type settling []settleQueue

type settleQueue struct {
	wait  time.Duration
	rules []int          // by place in the set
	calls []*calls.State // that have ended
}

func settlingOf(set *rules.Set) settling {
	var s settling
	for i, r := range set.Rules {
		if r.Window == nil || r.Mode == rules.Off {
			continue
		}
		at := slices.IndexFunc(s, func(q settleQueue) bool { return q.wait == r.Window.Settle })
		if at < 0 {
			at = len(s)
			s = append(s, settleQueue{wait: r.Window.Settle})
		}
		s[at].rules = append(s[at].rules, i)
	}
	slices.SortFunc(s, func(a, b settleQueue) int { return cmp.Compare(a.wait, b.wait) })
	return s
}

// push lets a call wait.
func (s settling) push(cs *calls.State) {
	for i := range s {
		s[i].calls = append(s[i].calls, cs)
	}
}

// next is the queue whose first call settles first, and when; nil for none.
func (s settling) next() (q *settleQueue, due time.Time) {
	for i := range s {
		if len(s[i].calls) == 0 {
			continue
		}
		if at := s[i].calls[0].Ended.Add(s[i].wait); q == nil || at.Before(due) {
			q, due = &s[i], at
		}
	}
	return q, due
}

// noticeEnd remembers when the end of a call was stored, and counts the call at
// once where nothing more is expected of it.
func (g *Engine) noticeEnd(cs *calls.State) {
	if len(g.settling) == 0 || !cs.Over && cs.Ended.IsZero() {
		return
	}
	first := cs.Ended.IsZero()
	if first {
		cs.Ended, cs.EndedSeq = g.st.Now, g.st.Seq
	}
	switch {
	case cs.Call.Final && !cs.Settled:
		cs.Settled = true
		for i := range g.settling {
			g.count(g.settling[i].rules, cs)
		}
	case first:
		g.settling.push(cs)
	}
}

// settleNext counts the first call of a queue for the queue's rules.
func (g *Engine) settleNext(q *settleQueue) {
	cs := q.calls[0]
	q.calls[0] = nil
	if q.calls = q.calls[1:]; len(q.calls) == 0 {
		q.calls = nil
	}
	if g.st.Calls.Get(cs.Key) == cs && !g.expiry.Gone(cs, g.st.Now) && !cs.Settled {
		g.count(q.rules, g.st.Calls.Load(cs))
	}
}

// restoreSettling queues the calls of a checkpoint again. A queue skips calls that it
// counted before the checkpoint. A call that ended with the last event is not counted
// yet, even by a queue without a wait.
func (g *Engine) restoreSettling() {
	var waiting []*calls.State
	for cs := range g.st.Calls.All() {
		if !cs.Ended.IsZero() && !cs.Settled {
			waiting = append(waiting, cs)
		}
	}
	slices.SortFunc(waiting, func(a, b *calls.State) int {
		return cmp.Or(cmp.Compare(a.EndedSeq, b.EndedSeq), a.Key.Compare(b.Key))
	})
	for _, cs := range waiting {
		for i := range g.settling {
			q := &g.settling[i]
			if cs.Ended.Add(q.wait).After(g.st.Now) || cs.EndedSeq == g.st.Seq {
				q.calls = append(q.calls, cs)
			}
		}
	}
}
