package delivery

import (
	"errors"
	"net"
	"time"
)

// Outcome is what the result of one call to a receiver means for the message.
type Outcome string

const (
	Done        Outcome = "done"
	Limited     Outcome = "wait"        // certainly not posted, Slack says when to try again
	Refused     Outcome = "refused"     // certainly not posted: no connection
	Unclear     Outcome = "unclear"     // posted or not: look before posting again
	BadContent  Outcome = "bad content" // not in this form
	Gone        Outcome = "gone"        // the message to edit or reply to no longer exists
	NotEditable Outcome = "frozen"      // the workspace forbids edits
	BadChannel  Outcome = "bad channel" // this channel takes nothing from us
	BadToken    Outcome = "bad token"   // no channel does
	Unreadable  Outcome = "unreadable"  // the channel may be posted to, not searched
)

const (
	LeastWait = time.Second
	MostWait  = time.Hour
)

// Failure is an error of a receiver, classified.
type Failure struct {
	Outcome Outcome
	After   time.Duration // how long to wait, for wait alone
	Text    string        // "" for that of Err
	Err     error
}

func (f *Failure) Error() string {
	if f.Text != "" {
		return f.Text
	}
	return f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// OutcomeOf classifies the error of one call; after is how long to wait.
func OutcomeOf(err error) (o Outcome, after time.Duration) {
	var (
		failure *Failure
		output  *statusError
		dial    *net.OpError
	)
	switch {
	case err == nil:
		return Done, 0
	case errors.As(err, &failure):
		return failure.Outcome, failure.After
	case errors.As(err, &output):
		return output.outcome()
	case errors.As(err, &dial) && dial.Op == "dial":
		return Refused, 0
	default:
		return Unclear, 0
	}
}
