package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/notifier"
	"callwatch/pipeline/stage"
	"callwatch/rules"
	"callwatch/stream"
	"callwatch/stream/alerts"
)

// announcedKey is the watermark up to which all transitions are delivered.
const announcedKey = "settled"

// AnnounceConfig is what the stage needs.
type AnnounceConfig struct {
	Store    *stream.Store
	Leases   *stage.Leases
	Ledger   *stream.Bucket // of the notifier
	Notifier notifier.Config
	Now      func() time.Time
	// Share shows the state of the notifier to other replicas, until ctx ends.
	Share func(ctx context.Context, n *notifier.Notifier)
	// Changed receives each incident that changed.
	Changed func(rules.Incident)
	Log     *slog.Logger
}

// Announce hands transitions to the notifier.
type Announce struct {
	cfg      AnnounceConfig
	notifier atomic.Pointer[notifier.Notifier] // at work, or the last
	begun    atomic.Uint64                     // watermark when the stage began
}

// NewAnnounce makes the stage.
func NewAnnounce(c AnnounceConfig) *Announce {
	a := &Announce{cfg: c}
	a.notifier.Store(a.newNotifier())
	return a
}

func (a *Announce) newNotifier() *notifier.Notifier {
	c := a.cfg.Notifier
	c.Older = a.cfg.Ledger.Damaged
	return notifier.New(c, a.cfg.Ledger, a.cfg.Now, a.cfg.Log)
}

// Notifier is the notifier that works, or that worked last.
func (a *Announce) Notifier() *notifier.Notifier { return a.notifier.Load() }

// Watermark is the last transition up to which this replica knows all to be
// delivered.
func (a *Announce) Watermark() uint64 { return max(a.begun.Load(), a.Notifier().Settled()) }

// Run announces transitions while this replica holds the lease.
func (a *Announce) Run(ctx context.Context) error {
	return a.cfg.Leases.Under(stage.AnnounceLease, a.run)(ctx)
}

func (a *Announce) run(ctx context.Context) error {
	n := a.Notifier()
	if !a.cfg.Store.Alone() {
		// The ledger has what another replica has sent since, this notifier has not.
		n = a.newNotifier()
		a.notifier.Store(n)
	}
	ctx, stop := context.WithCancel(ctx)
	var delivering sync.WaitGroup
	delivering.Go(func() { n.Run(ctx) })
	defer delivering.Wait()
	defer stop()
	return a.handOver(ctx, n)
}

// handOver hands transitions to the notifier, from the first that is not delivered.
func (a *Announce) handOver(ctx context.Context, n *notifier.Notifier) error {
	w, err := stage.LoadWatermark(ctx, a.cfg.Ledger, announcedKey)
	if err != nil {
		return err
	}
	delivered := w.At
	a.begun.Store(delivered)
	ctx, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer stop()
	keeping.Go(func() { w.Keep(ctx, a.cfg.Log, n.Settled) })
	if !a.cfg.Store.Alone() {
		keeping.Go(func() { a.cfg.Share(ctx, n) })
	}
	unseen := alerts.NewUnseen(delivered + 1)
	return a.cfg.Store.FollowTransitions(ctx, delivered+1, func(st stream.Transition) error {
		if !unseen.New(&st) {
			n.Pass(st.Seq)
			return nil
		}
		var t rules.Transition
		if err := json.Unmarshal(st.Data, &t); err != nil {
			a.cfg.Store.SkipTransition(&st, err)
			n.Pass(st.Seq)
			return nil
		}
		a.cfg.Changed(t.Incident)
		if err := n.Handle(ctx, st.Seq, t); err != nil {
			return fmt.Errorf("announce %s: %w", t.Incident.ID, err)
		}
		return nil
	}, n.Pass)
}
