package notifier

import (
	"time"

	"callwatch/rules"
)

// Config is what an operator sets, and what the notifier needs from others.
type Config struct {
	Workspaces map[string]Messenger // of Slack, which keep the threads, by the names before / in a channel; "" is the usual one
	Incoming   Output               // used for channels of the usual workspace where there is none; nil for none
	Outputs    map[string]Output    // by the names that routes use

	Channel string        // for incidents without a route and for those whose channel is broken; name with # or id
	Rate    float64       // posts per second and channel; 0 for 1
	Timeout time.Duration // of one call to a receiver; 0 for 10 s

	Storm func(channel string) rules.Storm // when new incidents in a channel are told together, now; nil for never

	// Observe is called after each call to a receiver; nil for nobody.
	Observe func(Sending)
	// Older says whether entries of the ledger from before the start may be older than
	// what was done since; nil for never.
	Older func() bool
}

// Sending is one call to a receiver.
type Sending struct {
	Incident string
	Channel  string // or the name of an output
	What     string // post, edit, look, push
	Began    time.Time
	Ended    time.Time
}

const (
	editsEvery = 1200 * time.Millisecond // chat.update allows some fifty a minute
	editsBurst = 5
)
