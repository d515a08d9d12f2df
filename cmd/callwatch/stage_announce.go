package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"callwatch/notifier"
	"callwatch/rules"
	"callwatch/stream"
)

// settledKey is where the place up to which all is delivered is kept.
const settledKey = "settled"

// handOver hands transitions to the notifier, from the first that was not
// delivered when callwatch stopped.
func (a *app) handOver(ctx context.Context, n *notifier.Notifier) error {
	value, rev, err := a.ledger.Load(ctx, settledKey)
	if err != nil {
		return fmt.Errorf("read the delivery ledger: %w", err)
	}
	settled, _ := strconv.ParseUint(string(value), 10, 64)
	a.stats.announcedSeq.Store(settled)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go a.noteSettled(ctx, n, settled, rev)
	return a.store.FollowTransitions(ctx, settled+1, func(st stream.Transition) error {
		var t rules.Transition
		if err := json.Unmarshal(st.Data, &t); err != nil {
			a.log.Error("stored transition cannot be read", "seq", st.Seq, "err", err)
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

// noteSettled keeps how far delivery has come. It only bounds what is looked at
// again after a restart: what was sent, the notifier's own ledger knows.
func (a *app) noteSettled(ctx context.Context, n *notifier.Notifier, noted, rev uint64) {
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		settled := n.Settled()
		if settled <= noted {
			continue
		}
		next, ok, err := a.ledger.Save(ctx, settledKey, []byte(strconv.FormatUint(settled, 10)), rev)
		if err != nil || !ok {
			a.log.Debug("delivery progress not noted", "err", err)
			if _, rev, err = a.ledger.Load(ctx, settledKey); err != nil {
				continue
			}
			continue
		}
		noted, rev = settled, next
	}
}
