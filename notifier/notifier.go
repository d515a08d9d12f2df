// Package notifier keeps one Slack thread per incident: transitions in, messages
// out. It promises that every incident is announced once in each of its
// channels, and that the root ends up showing the latest state, whatever Slack,
// the network or a restart do in between.
//
// Handle notes what is wanted, a pure function plans the calls that are missing
// (plan.go), and Run makes them as the limits of Slack allow (queue.go). What was
// sent is kept in a ledger, so that nothing is sent twice (ledger.go).
package notifier

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"callwatch/rules"
)

// Config is what an operator sets, and what the notifier needs from others.
type Config struct {
	Token       Token         // bot token; empty: incidents are logged only
	APIURL      string        // "" for Slack's own
	Channel     string        // for incidents without a route and for those whose channel is broken; name with # or id
	Rate        float64       // posts per second and channel; 0 for 1
	Timeout     time.Duration // of one call to Slack; 0 for 10 s
	ShowNumbers bool          // show phone numbers in full
	// Title is a provider's name as people write it; nil shows it as it is.
	Title func(provider string) string
}

// Notifier delivers incidents to Slack. Its methods may be called concurrently.
type Notifier struct {
	cfg    Config
	slack  *client // nil: not configured
	writer writer
	ledger Ledger
	now    func() time.Time
	log    *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	threads map[string]*thread // with something to deliver, by page key
	lanes   map[string]*lane   // by channel
	edits   bucket
	handled uint64 // stream sequence
}

// thread is an incident in a channel that Slack does not show as wanted yet.
type thread struct {
	page page
	want want
	acts []action
	seq  uint64 // lowest stream sequence that is not delivered
	busy bool
	// looks is how often the message at hand was looked for in vain; notBefore
	// is when to go on.
	looks     int
	notBefore time.Time
	unsaved   bool // the ledger did not take what happened last
}

const (
	defaultTimeout = 10 * time.Second
	editsEvery     = 1200 * time.Millisecond // chat.update allows some fifty a minute
	editsBurst     = 5
)

// New makes a notifier that keeps its records in ledger. now is the clock.
func New(cfg Config, ledger Ledger, now func() time.Time, log *slog.Logger) *Notifier {
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if cfg.Rate <= 0 {
		cfg.Rate = 1
	}
	n := &Notifier{
		cfg: cfg, ledger: ledger, now: now, log: log,
		writer:  writer{title: cfg.Title, showNumbers: cfg.ShowNumbers},
		wake:    make(chan struct{}, 1),
		threads: map[string]*thread{},
		lanes:   map[string]*lane{},
		edits:   bucket{every: editsEvery, burst: editsBurst},
	}
	if cfg.Token != "" {
		n.slack = newClient(cfg.Token, cfg.APIURL, cfg.Timeout)
	}
	return n
}

// Handle notes what a transition asks for and returns; Run delivers it. seq is
// the transition's place in its stream, from 1 on. Handling a transition again
// changes nothing, skipping one loses no more than what it alone said. An error
// means that the ledger could not be read: hand the transition in again.
func (n *Notifier) Handle(ctx context.Context, seq uint64, t rules.Transition) error {
	w := wantOf(&t)
	for _, channel := range n.channels(&t) {
		if err := n.note(ctx, seq, channel, w); err != nil {
			return fmt.Errorf("notify incident %s: %w", t.Incident.ID, err)
		}
	}
	n.mu.Lock()
	n.handled = max(n.handled, seq)
	n.mu.Unlock()
	n.rouse()
	return nil
}

// channels are those that the transition goes to, each once.
func (n *Notifier) channels(t *rules.Transition) []string {
	in := &t.Incident
	if in.Mode == rules.Shadow || in.Mode == rules.Off {
		return nil
	}
	var out []string
	for _, c := range in.Slack {
		if c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if len(out) == 0 && n.cfg.Channel != "" {
		out = []string{n.cfg.Channel}
	}
	if n.slack == nil || len(out) == 0 {
		n.log.Info("incident not sent: no Slack channel", "incident", in.ID, "rule", in.Rule,
			"step", string(t.Step), "severity", string(in.Severity))
		return nil
	}
	return out
}

// note makes the thread of w's incident in a channel want w too.
func (n *Notifier) note(ctx context.Context, seq uint64, channel string, w want) error {
	if n.join(pageKey(w.incident.ID, channel), seq, w) {
		return nil
	}
	p, err := loadPage(ctx, n.ledger, w.incident.ID, channel)
	if err != nil {
		return err
	}
	if p.MovedTo != "" {
		if n.join(pageKey(w.incident.ID, p.MovedTo), seq, w) {
			return nil
		}
		if p, err = loadPage(ctx, n.ledger, w.incident.ID, p.MovedTo); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.start(p, seq, w)
	return nil
}

// join adds w to a thread that has something to deliver already; false for none.
func (n *Notifier) join(key string, seq uint64, w want) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	th := n.threads[key]
	if th == nil {
		return false
	}
	th.seq = min(th.seq, seq)
	th.want.merge(w)
	n.replan(th)
	return true
}

// start makes the thread of page p want w. Where another call has started it in
// the meantime that one stays: it may be further. n.mu is held.
func (n *Notifier) start(p page, seq uint64, w want) {
	th := n.threads[p.key]
	if th == nil {
		p.MovedTo = "" // one move is enough, also where the default channel has changed
		th = &thread{page: p, seq: seq, notBefore: p.othersDone(n.cfg.Timeout)}
		n.threads[p.key] = th
	}
	th.seq = min(th.seq, seq)
	th.want.merge(w)
	n.replan(th)
}

// Settled is the stream sequence up to which everything is delivered or given
// up: after a restart, hand in the transitions behind it. 0 before the first.
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
	if th.busy {
		return // finish does it
	}
	th.acts = plan(&th.page.record, &th.want, hash(n.root(&th.page, &th.want)))
	if len(th.acts) == 0 && !th.unsaved {
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
