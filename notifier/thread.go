package notifier

import (
	"context"

	"callwatch/rules"
)

// Thread is where an incident's thread in Slack is: the id of the channel and
// the timestamp of the root, as the ledger has them. Both are "" where no root
// is known to be there. Of several channels it is the first.
func (n *Notifier) Thread(ctx context.Context, in *rules.Incident) (channel, ts string, err error) {
	if n.slack == nil {
		return "", "", nil
	}
	channels := in.Slack
	if len(channels) == 0 {
		channels = []string{n.cfg.Channel}
	}
	for _, c := range channels {
		p, err := loadPage(ctx, n.ledger, in.ID, c)
		if err == nil && p.MovedTo != "" {
			p, err = loadPage(ctx, n.ledger, in.ID, p.MovedTo)
		}
		if err != nil {
			return "", "", err
		}
		if root := p.Sent[rootName]; p.ID != "" && root.TS != "" {
			return p.ID, root.TS, nil
		}
	}
	return "", "", nil
}
