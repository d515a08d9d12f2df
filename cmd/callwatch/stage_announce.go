package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"callwatch/notifier"
	"callwatch/rules"
	"callwatch/stream"
)

// announcedKey is the watermark up to which all transitions are delivered.
const announcedKey = "settled"

// handOver hands transitions to the notifier, from the first that was not
// delivered when callwatch stopped.
func (a *app) handOver(ctx context.Context, n *notifier.Notifier) error {
	w, err := loadWatermark(ctx, a.ledger, announcedKey)
	if err != nil {
		return err
	}
	delivered := w.at
	a.stats.announcedSeq.Store(delivered)
	ctx, stop := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer stop()
	keeping.Go(func() { w.keep(ctx, a.log, n.Settled) })
	if !a.store.Alone() {
		keeping.Go(func() { a.noteReceivers(ctx, n) })
	}
	return a.store.FollowTransitions(ctx, delivered+1, func(st stream.Transition) error {
		var t rules.Transition
		if err := json.Unmarshal(st.Data, &t); err != nil {
			a.store.SkipTransition(&st, err)
			return nil
		}
		if a.console != nil {
			a.console.incident(t.Incident)
		}
		if err := n.Handle(ctx, st.Seq, t); err != nil {
			return fmt.Errorf("announce %s: %w", t.Incident.ID, err)
		}
		return nil
	})
}
