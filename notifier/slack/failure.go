package slack

import (
	"errors"
	"net/http"
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier/delivery"
)

// failure classifies the error of one call, without the token in its text. An
// error name that is not known is the channel's: another one may take the message.
func (c *Client) failure(err error) error {
	if err == nil {
		return nil
	}
	f := &delivery.Failure{Text: brief(c.token.Redact(err)), Err: c.token.Redact(err)}
	var (
		limited *slack.RateLimitedError
		status  slack.StatusCodeError
		answer  slack.SlackErrorResponse
	)
	switch {
	case errors.As(err, &limited):
		f.Outcome, f.After = delivery.Limited, min(max(limited.RetryAfter, delivery.LeastWait), delivery.MostWait)
	case errors.As(err, &status):
		f.Outcome = delivery.Unclear
		if status.Code == http.StatusTooManyRequests {
			f.Outcome, f.After = delivery.Limited, delivery.LeastWait
		}
	case errors.As(err, &answer):
		f.Outcome, f.After = answered(answer.Err)
	default:
		f.Outcome, f.After = delivery.OutcomeOf(err)
	}
	return f
}

// answered classifies the errors that Slack names.
func answered(name string) (delivery.Outcome, time.Duration) {
	switch name {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return delivery.Limited, delivery.LeastWait
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "invalid_cursor":
		return delivery.Unclear, 0
	case "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "too_many_attachments", "msg_blocks_too_long",
		"msg_too_long", "no_text", "invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large",
		"invalid_arguments", "invalid_form_data", "block_mismatch":
		return delivery.BadContent, 0
	case "message_not_found", "thread_not_found", "cannot_reply_to_message":
		return delivery.Gone, 0
	case "edit_window_closed", "cant_update_message":
		return delivery.NotEditable, 0
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
		"no_permission", "access_denied", "org_login_required", "two_factor_setup_required", "accesslimited",
		"team_access_not_granted", "not_allowed_token_type":
		return delivery.BadToken, 0
	default:
		return delivery.BadChannel, 0
	}
}

// brief is the text of an error: Slack's own name for it, with the scope it needs.
func brief(err error) string {
	var answer slack.SlackErrorResponse
	if errors.As(err, &answer) && answer.Needed != "" {
		return answer.Err + ", needed: " + answer.Needed
	}
	return err.Error()
}
