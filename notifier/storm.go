package notifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"callwatch/rules"
)

// calm is how long no new incident must come before a storm is over.
const calm = 10 * time.Minute

// Membership says in which storm an incident was told, and where in its list.
type Membership struct {
	ID    string `json:"id"`
	Place int    `json:"place"`
}

// arrival is a new incident in a channel.
type arrival struct {
	id string
	at time.Time
}

// arrivals are the new incidents of a channel within the time that a storm is
// judged by. Their time is the stream's, so that a replay counts the same.
type arrivals []arrival

// add takes a new incident in and says whether they are more than allowed.
func (a *arrivals) add(id string, at time.Time, limit rules.Storm) bool {
	if limit.New <= 0 {
		return false
	}
	*a = slices.DeleteFunc(*a, func(o arrival) bool { return at.Sub(o.at) >= limit.Within || o.id == id })
	if *a = append(*a, arrival{id, at}); len(*a) > limit.New+1 {
		*a = slices.Delete(*a, 0, 1)
	}
	return len(*a) > limit.New
}

func (n *Notifier) stormLimit(channel string) rules.Storm {
	if n.cfg.Storm == nil {
		return rules.Storm{}
	}
	return n.cfg.Storm(channel)
}

// inStorm decides whether a transition is told in the storm of its channel, and
// tells it there. An incident that gets a thread of its own is told both ways: a
// storm counts all its members.
func (n *Notifier) inStorm(ctx context.Context, seq uint64, p page, t *rules.Transition, w *Want) (told bool, err error) {
	own := p.Sent[rootName].State != unsent || p.damaged
	if p.Storm != nil {
		st, err := n.runningStorm(ctx, seq, &p, t)
		if err != nil {
			return false, err
		}
		if st != nil {
			n.mu.Lock()
			n.takeIn(st, p.Storm.Place, t)
			st.hold(p, seq, w)
			n.mu.Unlock()
		}
		w.lift = n.lifts(p.Channel, t, st != nil)
		return !own && !w.lift, nil
	}
	if own || t.Step != rules.StepOpened || Quiet(&t.Incident) {
		return false, nil
	}
	return n.enlist(ctx, seq, p, t)
}

// lifts says whether a member of a storm gets a thread of its own: when it
// becomes critical, or calls for attention after the storm.
func (n *Notifier) lifts(channel string, t *rules.Transition, running bool) bool {
	if Quiet(&t.Incident) {
		return false
	}
	switch t.Step {
	case rules.StepEscalated, rules.StepReminded:
		return !running || n.bypasses(channel, t)
	}
	return false
}

// bypasses says whether a critical incident is told by itself in spite of a
// storm. Too many of them are a storm as well.
func (n *Notifier) bypasses(channel string, t *rules.Transition) bool {
	limit := n.stormLimit(channel)
	n.mu.Lock()
	defer n.mu.Unlock()
	in := &t.Incident
	return in.Severity == rules.Critical && !n.lane(channel).critical.add(in.ID, t.At, limit)
}

// enlist counts a new incident and, in a storm, makes it a member. The storm's
// first member brings those along that wait for their first message.
func (n *Notifier) enlist(ctx context.Context, seq uint64, p page, t *rules.Transition) (told bool, err error) {
	in := &t.Incident
	limit := n.stormLimit(p.Channel)
	n.mu.Lock()
	l := n.lane(p.Channel)
	stormy := l.fresh.add(in.ID, in.OpenedAt, limit) || l.storm != nil && limit.New > 0
	st := l.storm
	n.mu.Unlock()
	if !stormy || n.bypasses(p.Channel, t) {
		return false, nil
	}
	if st == nil {
		sum := sha256.Sum256([]byte(p.Channel + "\x00" + in.ID))
		if st, err = n.beginStorm(ctx, "storm_"+hex.EncodeToString(sum[:8]), seq, p.Channel, t); err != nil {
			return false, err
		}
		if err := n.absorb(ctx, st); err != nil {
			return false, err
		}
	}
	return true, n.enrol(ctx, st, seq, p, t)
}

// enrol makes an incident the next member of a storm. The ledger knows first, so
// that a replay finds it at the same place.
func (n *Notifier) enrol(ctx context.Context, st *storm, seq uint64, p page, t *rules.Transition) error {
	p.Storm = &Membership{st.id, len(st.members)}
	ok, err := p.save(ctx, n.ledger)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("enrol incident in storm %s: its page was changed elsewhere", st.id)
	}
	n.log.Info("incident told in a storm", "incident", t.Incident.ID, "rule", t.Incident.Rule, "channel", p.Channel, "storm", st.id)
	n.mu.Lock()
	defer n.mu.Unlock()
	st.first = min(st.first, seq)
	n.takeIn(st, p.Storm.Place, t)
	w := wantOf(t)
	st.hold(p, seq, &w)
	return nil
}

// absorb makes members of the new incidents that have no message yet.
func (n *Notifier) absorb(ctx context.Context, st *storm) error {
	within := n.stormLimit(st.channel).Within
	n.mu.Lock()
	var waiting []*thread
	for _, th := range n.threads {
		fresh := th.page.Channel == st.channel && th.sink == nil && th.storm == nil && !th.busy && !th.unsaved &&
			th.page.Sent[rootName].State == unsent && th.page.Storm == nil
		if fresh && th.want.Incident.Severity != rules.Critical && st.since.Sub(th.want.Incident.OpenedAt) < within {
			waiting = append(waiting, th)
			delete(n.threads, th.page.key)
		}
	}
	n.mu.Unlock()
	slices.SortFunc(waiting, func(a, b *thread) int { return int(a.seq) - int(b.seq) })
	for i, th := range waiting {
		t := rules.Transition{Step: rules.StepOpened, At: th.want.Incident.OpenedAt, Cause: th.want.Cause, Incident: th.want.Incident}
		if err := n.enrol(ctx, st, th.seq, th.page, &t); err != nil {
			n.mu.Lock()
			for _, rest := range waiting[i:] {
				n.threads[rest.page.key] = rest
			}
			n.mu.Unlock()
			return err
		}
	}
	return nil
}

// beginStorm opens the thread of a storm.
func (n *Notifier) beginStorm(ctx context.Context, id string, seq uint64, channel string, t *rules.Transition) (*storm, error) {
	p, err := n.openPage(ctx, &rules.Incident{ID: id, Rule: "storm", OpenedAt: t.Incident.OpenedAt}, t.Step, channel)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	st := newStorm(id, channel, seq, t.Incident.OpenedAt, n.now())
	th := &thread{page: p, seq: seq, storm: st, notBefore: p.othersDone(n.cfg.Timeout)}
	st.thread, st.parts = th, listedBefore(p.Sent)
	n.lane(channel).storm, n.threads[p.key] = st, th
	n.log.Warn("storm begins: single messages pause", "channel", channel, "storm", id)
	return st, nil
}

// runningStorm is the storm that the page's incident is a member of, nil where
// it is over, also where that is still to be told. In a replay it begins again.
func (n *Notifier) runningStorm(ctx context.Context, seq uint64, p *page, t *rules.Transition) (*storm, error) {
	n.mu.Lock()
	st := n.lane(p.Channel).storm
	n.mu.Unlock()
	if st != nil {
		if st.id == p.Storm.ID {
			return st, nil
		}
		return nil, nil
	}
	sp, err := loadPage(ctx, n.ledger, p.Storm.ID, p.Channel)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	th := n.threads[sp.key]
	n.mu.Unlock()
	if th != nil && th.storm != nil {
		return nil, nil
	}
	if end := sp.Sent[resolvedName].State; end == delivered || end == parked || sp.Sent[rootName].State == parked {
		return nil, nil
	}
	return n.beginStorm(ctx, p.Storm.ID, seq, p.Channel, t)
}

// takeIn brings a storm up to date with one of its members. n.mu is held.
func (n *Notifier) takeIn(st *storm, place int, t *rules.Transition) {
	st.put(place, t, n.workspace(st.channel).Entry)
	if t.Step == rules.StepOpened {
		st.calm = Later(st.calm, n.now())
	}
	st.listBy(n.now())
	n.refresh(st)
}

func (n *Notifier) refresh(st *storm) {
	th := st.thread
	th.seq, th.want = st.first, st.want()
	n.replan(th)
}

// endStorms lists what is new in storms, ends those that have calmed down, and returns
// when the next one may. n.mu is held.
func (n *Notifier) endStorms(now time.Time) (next time.Time) {
	for _, l := range n.lanes {
		st := l.storm
		if st == nil {
			continue
		}
		wait := calm
		if st.single() {
			wait = n.stormLimit(st.channel).Within / 4
		}
		if due := st.calm.Add(wait); due.After(now) {
			if !st.single() {
				at, some := st.listDue(now)
				if some {
					n.refresh(st)
				}
				if !at.IsZero() && at.Before(due) {
					due = at
				}
			}
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		if st.single() {
			l.storm = nil
			n.release(st)
			continue
		}
		st.over, st.ended, l.storm = true, now, nil
		n.log.Info("storm is over", "channel", st.channel, "storm", st.id, "incidents", st.total)
		n.refresh(st)
	}
	return next
}

// release announces the only member of a storm by itself: a storm of one is none.
// n.mu is held.
func (n *Notifier) release(st *storm) {
	delete(n.threads, st.thread.page.key)
	if o := st.only; o != nil {
		o.page.Storm = nil
		n.start(o.page, o.seq, o.want)
	}
}
