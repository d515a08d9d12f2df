package pipeline

import (
	"context"
	"fmt"
	"time"

	"callwatch/call"
	"callwatch/pipeline/eventlog"
	"callwatch/stream"
)

const (
	// aliasTime is how long after a call's last event a further one may come under
	// another id.
	aliasTime = 24 * time.Hour
	// MaxAliases bounds the ids that are remembered: about 40 MB.
	MaxAliases = 300_000
)

// knownAliases reads under which ids the stored events are kept. The events
// themselves are the memory: after a restart, on another replica and when a
// batch is normalized again the same ids come of the same webhooks.
func (n *Normalize) knownAliases(ctx context.Context) (*call.Aliases, error) {
	aliases := call.NewAliases(MaxAliases)
	for _, p := range n.cfg.Providers {
		if !p.Aliases {
			continue
		}
		err := n.cfg.Store.HeadersOf(ctx, p.Name, time.Now().Add(-aliasTime), func(m stream.Message) error {
			if m.Kind() != eventlog.NoEvent {
				aliases.Resolve(call.Key{Provider: p.Name, Account: m.Account(), CallID: m.CallID()}, m.Aliases())
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, fmt.Errorf("read the ids of calls: %w", err)
		}
	}
	return aliases, nil
}

// rename gives events the ids under which their calls are kept. It is called
// with all events in their order.
func (n *Normalize) rename(aliases *call.Aliases, events []stream.Event) error {
	for i := range events {
		e := &events[i]
		if p, _, ok := n.cfg.Find(e.Provider, e.Account); !ok || !p.Aliases || e.CallID == "" {
			continue
		}
		id, others := aliases.Resolve(call.Key{Provider: e.Provider, Account: e.Account, CallID: e.CallID}, e.Aliases)
		if id == e.CallID {
			continue
		}
		e.CallID, e.Aliases = id, others
		var renamed call.Event
		if err := eventlog.Decode(e.Data, true, &renamed); err != nil {
			return fmt.Errorf("read event %s: %w", e.ID, err)
		}
		renamed.CallID, renamed.Aliases = id, others
		data, err := renamed.JSON()
		if err != nil {
			return fmt.Errorf("write event %s: %w", e.ID, err)
		}
		e.Data = data
	}
	return nil
}
