package rules

import (
	"cmp"
	"slices"
	"time"
)

// settling holds the calls that have ended and may yet be reported on, in the
// order in which their ends were stored: one queue for each `settle` of the set.
type settling []settleQueue

type settleQueue struct {
	wait  time.Duration
	rules []int // by place in the set
	calls []endedCall
}

// endedCall is where and when the end of a call was stored, in stream time.
type endedCall struct {
	hash uint64 // of the call's key
	seq  uint64
	sec  int64 // since 1970
	nano int32
}

func (c endedCall) at() time.Time { return time.Unix(c.sec, int64(c.nano)).UTC() }

func settlingOf(set *Set) settling {
	var s settling
	for i, r := range set.Rules {
		if r.Window == nil || r.Mode == Off {
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
func (s settling) push(hash, seq uint64, at time.Time) {
	for i := range s {
		s[i].push(hash, seq, at)
	}
}

func (q *settleQueue) push(hash, seq uint64, at time.Time) {
	q.calls = append(q.calls, endedCall{hash, seq, at.Unix(), int32(at.Nanosecond())})
}

// next is the queue whose first call settles first, and when; nil for none.
func (s settling) next() (q *settleQueue, due time.Time) {
	for i := range s {
		if len(s[i].calls) == 0 {
			continue
		}
		if at := s[i].calls[0].at().Add(s[i].wait); q == nil || at.Before(due) {
			q, due = &s[i], at
		}
	}
	return q, due
}

// noticeEnd remembers when the end of a call was stored, and counts the call at
// once where nothing more is expected of it.
func (g *Engine) noticeEnd(cs *callState) {
	if len(g.settling) == 0 || !cs.ended() && cs.Ended.IsZero() {
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
		g.settling.push(g.st.Calls.hash(cs.Call.Key()), cs.EndedSeq, cs.Ended)
	}
}

// settleNext counts the first call of a queue for the queue's rules.
func (g *Engine) settleNext(q *settleQueue) {
	c := q.calls[0]
	if q.calls = q.calls[1:]; len(q.calls) == 0 {
		q.calls = nil
	}
	cs := g.st.Calls.findEnded(c.hash, c.seq, func(t touch) bool { return g.opt.gone(t, g.st.Now) })
	if cs != nil && !cs.Settled {
		g.count(q.rules, cs)
	}
}

// restoreSettling queues the calls of a checkpoint again. A call that a queue was
// through with has been counted by all of its rules; one that ended with the last
// event is still to come, also where the queue waits for nothing.
func (g *Engine) restoreSettling() {
	type waiter struct {
		hash, seq uint64
		at        time.Time
	}
	var waiting []waiter
	for r := range g.st.Calls.headers() {
		if !r.Ended.IsZero() && !r.Settled {
			waiting = append(waiting, waiter{g.st.Calls.hash(r.Key), r.EndedSeq, r.Ended})
		}
	}
	slices.SortFunc(waiting, func(a, b waiter) int { return cmp.Compare(a.seq, b.seq) })
	for _, w := range waiting {
		for i := range g.settling {
			q := &g.settling[i]
			if w.at.Add(q.wait).After(g.st.Now) || w.seq == g.st.Seq {
				q.push(w.hash, w.seq, w.at)
			}
		}
	}
}
