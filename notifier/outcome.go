package notifier

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/slack-go/slack"
)

// outcome is what an answer of Slack, or its absence, means for a message.
type outcome string

const (
	done       outcome = "done"
	wait       outcome = "wait"        // certainly not posted, Slack says when to try again
	refused    outcome = "refused"     // certainly not posted: no connection
	unclear    outcome = "unclear"     // posted or not: look before posting again
	badContent outcome = "bad content" // not in this form
	gone       outcome = "gone"        // the message to edit or reply to no longer exists
	frozen     outcome = "frozen"      // the workspace forbids edits
	badChannel outcome = "bad channel" // this channel takes nothing from us
	badToken   outcome = "bad token"   // no channel does
)

const (
	leastWait = time.Second
	mostWait  = time.Hour
)

// outcomeOf classifies the error of one call. after is how long to wait, for
// wait alone. An error that Slack names and we do not know is the channel's:
// another one may take the message.
func outcomeOf(err error) (o outcome, after time.Duration) {
	var (
		limited *slack.RateLimitedError
		status  slack.StatusCodeError
		answer  slack.SlackErrorResponse
		dial    *net.OpError
		output  *statusError
	)
	switch {
	case err == nil:
		return done, 0
	case errors.As(err, &output):
		return output.outcome()
	case errors.As(err, &limited):
		return wait, min(max(limited.RetryAfter, leastWait), mostWait)
	case errors.As(err, &status):
		if status.Code == http.StatusTooManyRequests {
			return wait, leastWait
		}
		return unclear, 0
	case errors.As(err, &answer):
		return answered(answer.Err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return refused, 0
	default:
		return unclear, 0
	}
}

// answered classifies the errors that Slack names.
func answered(name string) (outcome, time.Duration) {
	switch name {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return wait, leastWait
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "invalid_cursor":
		return unclear, 0
	case "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "too_many_attachments", "msg_blocks_too_long",
		"msg_too_long", "no_text", "invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large",
		"invalid_arguments", "invalid_form_data", "block_mismatch":
		return badContent, 0
	case "message_not_found", "thread_not_found", "cannot_reply_to_message":
		return gone, 0
	case "edit_window_closed", "cant_update_message":
		return frozen, 0
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
		"no_permission", "access_denied", "org_login_required", "two_factor_setup_required", "accesslimited",
		"team_access_not_granted", "not_allowed_token_type":
		return badToken, 0
	default:
		return badChannel, 0
	}
}

// brief is the error for people: Slack's own name for it where it gave one.
func brief(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) && answer.Needed != "" {
		return answer.Err + ", needed: " + answer.Needed
	}
	return err.Error()
}
