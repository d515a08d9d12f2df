// Package notifier keeps one thread of messages per incident: transitions in,
// messages out. It promises that every incident is announced once in each of its
// channels (where their history may be read), and that the root ends up showing the
// latest state, whatever the receivers, the network or a restart do in between.
//
// Handle stores what a transition asks for, plan computes the calls that are
// missing (plan.go), and Run makes them within the receivers' limits (queue.go).
// A ledger records what was sent, so that nothing is sent twice (ledger.go).
//
// The package knows receivers by the interfaces Messenger and Output (receiver.go).
// notifier/slack and notifier/output implement them, cmd wires them.
package notifier

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"callwatch/notifier/delivery"
	"callwatch/rules"
)

// Notifier delivers incidents to Slack and other outputs. Its methods may be
// called concurrently.
type Notifier struct {
	cfg    Config
	sinks  map[string]Output
	ledger Ledger
	now    func() time.Time
	began  time.Time
	log    *slog.Logger
	wake   chan struct{}

	noting sync.Mutex // one decision about storms at a time; before mu

	mu      sync.Mutex
	threads map[string]*thread // with something to deliver, by page key
	lanes   map[string]*lane   // by channel
	handled uint64             // stream sequence

	workspaces map[string]*workspace // by name; what is in one is guarded by mu
}

// thread is an incident at a receiver that does not show it as wanted yet.
type thread struct {
	page page
	want Want
	acts []Action
	seq  uint64 // lowest stream sequence that is not delivered
	busy bool
	// looks is how often the message at hand was looked for in vain, search how far
	// that is now; notBefore is when to go on.
	looks     int
	search    Search
	notBefore time.Time
	unsaved   bool      // the ledger did not take what happened last
	waiting   time.Time // since when the next action is due; zero for none

	sink   Output // nil: Slack's threads
	latest uint64 // stream sequence handed in last
	storm  *storm // whose thread this is; nil for that of an incident
}

// New makes a notifier that keeps its records in ledger. now is the clock.
func New(cfg Config, ledger Ledger, now func() time.Time, log *slog.Logger) *Notifier {
	cfg.Timeout = cmp.Or(cfg.Timeout, delivery.DefaultTimeout)
	if cfg.Rate <= 0 {
		cfg.Rate = 1
	}
	n := &Notifier{
		cfg: cfg, ledger: ledger, now: now, began: now(), log: log,
		wake:    make(chan struct{}, 1),
		threads: map[string]*thread{},
		lanes:   map[string]*lane{},
	}
	n.sinks, n.workspaces = n.openSinks(), n.openWorkspaces()
	for name := range n.sinks {
		n.lane(name)
	}
	if c := n.existing(""); c != "" {
		n.lane(c)
	}
	return n
}

// Handle notes what a transition asks for and returns; Run delivers it. seq is
// the transition's place in its stream, from 1 on. Handling a transition again
// changes nothing, skipping one loses no more than what it alone said. An error
// means that the ledger could not be read or written: hand the transition in
// again.
func (n *Notifier) Handle(ctx context.Context, seq uint64, t rules.Transition) error {
	to := n.receivers(&t)
	for _, channel := range to.channels {
		if err := n.note(ctx, seq, channel, &t, wantOf(&t)); err != nil {
			return fmt.Errorf("notify incident %s: %w", t.Incident.ID, err)
		}
	}
	for _, name := range to.sinks {
		if err := n.note(ctx, seq, name, &t, n.sinks[name].Want(&t)); err != nil {
			return fmt.Errorf("notify %s of incident %s: %w", name, t.Incident.ID, err)
		}
	}
	n.mu.Lock()
	n.handled = max(n.handled, seq)
	n.mu.Unlock()
	n.rouse()
	return nil
}

// Pass notes that there is nothing to announce at a place in the stream of
// transitions: what is stored there is not a transition.
func (n *Notifier) Pass(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handled = max(n.handled, seq)
}

// note makes the thread of w's incident at a receiver want w too.
func (n *Notifier) note(ctx context.Context, seq uint64, channel string, t *rules.Transition, w Want) error {
	n.noting.Lock()
	defer n.noting.Unlock()
	if n.join(pageKey(w.Incident.ID, channel), seq, t, w) {
		return nil
	}
	p, err := n.openPage(ctx, &w.Incident, t.Step, channel)
	if err != nil {
		return err
	}
	if to := n.existing(p.MovedTo); p.MovedTo != "" && to != "" {
		if n.join(pageKey(w.Incident.ID, to), seq, t, w) {
			return nil
		}
		if p, err = n.openPage(ctx, &w.Incident, t.Step, to); err != nil {
			return err
		}
	}
	if !p.Doubt.IsZero() && w.Incident.State == rules.Resolved && n.now().Sub(w.Incident.UpdatedAt) > giveUpAfter {
		return nil // over for a day, and whether it was announced is not known
	}
	if n.sinks[p.Channel] == nil {
		told, err := n.inStorm(ctx, seq, p, t, &w)
		if err != nil || told {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.start(p, seq, w)
	return nil
}

// join adds w to a thread that has something to deliver already; false for none.
func (n *Notifier) join(key string, seq uint64, t *rules.Transition, w Want) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	th := n.threads[key]
	if th == nil {
		return false
	}
	if st := n.lane(th.page.Channel).storm; st != nil && th.page.Storm != nil && th.page.Storm.ID == st.id {
		n.takeIn(st, th.page.Storm.Place, t)
	}
	n.add(th, seq, w)
	return true
}

// start makes the thread of page p want w. Where another call has started it in
// the meantime that one stays: it may be further. n.mu is held.
func (n *Notifier) start(p page, seq uint64, w Want) *thread {
	th := n.threads[p.key]
	if th == nil {
		p.MovedTo = "" // one move is enough, also where the default channel has changed
		th = &thread{page: p, seq: seq, notBefore: p.othersDone(n.cfg.Timeout), sink: n.sinks[p.Channel]}
		n.threads[p.key] = th
	}
	n.add(th, seq, w)
	return th
}

func (n *Notifier) add(th *thread, seq uint64, w Want) {
	th.seq, th.latest = min(th.seq, seq), max(th.latest, seq)
	th.want.merge(w)
	n.replan(th)
}

// Settled is the stream sequence up to which everything is delivered or given
// up: after a restart, hand in the transitions behind it. 0 before the first.
// What a storm tells and what is to be sent again and again is not settled
// before it is over.
func (n *Notifier) Settled() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	settled := n.handled
	for _, th := range n.threads {
		settled = min(settled, th.seq-1)
	}
	return settled
}

// replan works out what a thread still needs, and forgets it if that is nothing.
func (n *Notifier) replan(th *thread) {
	switch {
	case th.busy:
		return // finish does it
	case th.sink != nil:
		th.acts = th.sink.Plan(&th.page.Record, &th.want)
		if len(th.acts) == 0 || th.acts[0].Line.Step == StepAgain {
			th.seq = th.latest
		}
	default:
		th.acts = plan(&th.page.Record, &th.want, func() string {
			root := n.root(&th.page, &th.want)
			return n.workspace(th.page.Channel).Render(&root).Digest()
		})
	}
	switch {
	case len(th.acts) == 0:
		th.waiting = time.Time{}
	default:
		due := Later(th.acts[0].Due, n.now())
		if th.waiting.IsZero() || due.Before(th.waiting) {
			th.waiting = due
		}
	}
	running := th.storm != nil && !th.storm.over
	if len(th.acts) == 0 && !th.unsaved && !running {
		delete(n.threads, th.page.key)
	}
}

// rouse makes Run look at the threads again.
func (n *Notifier) rouse() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}
