package notifier

import (
	"time"

	"callwatch/notifier/delivery"
	"callwatch/rules"
)

// workspace is a Slack workspace. What Slack limits it limits for each by itself.
type workspace struct {
	Messenger

	edits bucket
	gates map[Operation]time.Time // closed by Slack for all channels
}

// openWorkspaces returns the workspaces by name.
func (n *Notifier) openWorkspaces() map[string]*workspace {
	all := map[string]*workspace{}
	for name, m := range n.cfg.Workspaces {
		all[name] = &workspace{m, bucket{every: editsEvery, burst: editsBurst}, map[Operation]time.Time{}}
	}
	return all
}

// workspace is the one of a channel; nil where there is none of that name.
func (n *Notifier) workspace(channel string) *workspace {
	name, _ := rules.SplitChannel(channel)
	return n.workspaces[name]
}

// existing is the channel, or the default one where its workspace is not there: it was
// never configured, or is no more. "" is for none.
func (n *Notifier) existing(channel string) string {
	for _, c := range []string{channel, n.cfg.Channel} {
		if c != "" && n.workspace(c) != nil {
			return c
		}
	}
	return ""
}

// elsewhere is the default channel where an incident can be announced that its own
// channel does not take; "" for none. A token that is refused is of use in no channel of
// its workspace.
func (n *Notifier) elsewhere(channel string, o delivery.Outcome) string {
	d := n.existing("")
	if d == channel || o == delivery.BadToken && n.workspace(d) == n.workspace(channel) {
		return ""
	}
	return d
}
