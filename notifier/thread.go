package notifier

import (
	"cmp"
	"context"

	"callwatch/rules"
)

// Thread is where an incident's thread in Slack is: the name of the workspace, and the
// id of the channel and the timestamp of the root, as the ledger has them. The place is
// zero where no root is known to be there. Of several channels it is the first.
func (n *Notifier) Thread(ctx context.Context, in *rules.Incident) (workspace string, at Place, err error) {
	if len(n.workspaces) == 0 {
		return "", Place{}, nil
	}
	channels := in.Slack
	if len(channels) == 0 {
		channels = []string{n.cfg.Channel}
	}
	for _, c := range channels {
		p, err := loadPage(ctx, n.ledger, in.ID, cmp.Or(n.existing(c), c))
		if err == nil && p.MovedTo != "" {
			p, err = loadPage(ctx, n.ledger, in.ID, cmp.Or(n.existing(p.MovedTo), p.MovedTo))
		}
		if err != nil {
			return "", Place{}, err
		}
		if root := p.Sent[rootName]; p.ID != "" && root.TS != "" {
			workspace, _ = rules.SplitChannel(p.Channel)
			return workspace, Place{p.ID, root.TS}, nil
		}
	}
	return "", Place{}, nil
}
