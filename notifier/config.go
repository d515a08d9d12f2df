package notifier

import (
	"time"

	"callwatch/rules"
)

// Config is what an operator sets, and what the notifier needs from others.
type Config struct {
	Token       Token         // bot token; empty: WebhookURL is used
	WebhookURL  Token         // of a Slack incoming webhook, where there is no token: opening and resolve alone, as plain posts
	APIURL      string        // "" for Slack's own
	Channel     string        // for incidents without a route and for those whose channel is broken; name with # or id
	Rate        float64       // posts per second and channel; 0 for 1
	Timeout     time.Duration // of one call to Slack or an output; 0 for 10 s
	ShowNumbers bool          // show phone numbers in full
	MaskOutputs bool          // mask phone numbers in webhook outputs
	Buttons     bool          // messages carry buttons: their clicks reach Interactions or Listen
	ConsoleURL  string        // where the console is, for links to calls and incidents; "" for no links

	Storm  rules.Storm            // of every channel but those in Storms
	Storms map[string]rules.Storm // by channel

	Outputs map[string]Output // by the names that routes use

	// Observe is told of each call to a receiver as it ends; nil for nobody.
	Observe func(Sending)

	// Title is a provider's name as people write it; nil shows it as it is.
	Title func(provider string) string
}

// Sending is one call to a receiver.
type Sending struct {
	Incident string
	Channel  string // or the name of an output
	What     string // post, edit, look, push
	Began    time.Time
	Ended    time.Time
}

// Output is a receiver beside Slack: one of Webhook and Alertmanager is set.
type Output struct {
	Webhook      Token // address; each transition is posted, signed per Standard Webhooks
	Secret       Token // that signs: "whsec_" and base64, or any text
	Alertmanager Token // base address, with credentials where it asks for them
}

const (
	defaultTimeout = 10 * time.Second
	editsEvery     = 1200 * time.Millisecond // chat.update allows some fifty a minute
	editsBurst     = 5
)
