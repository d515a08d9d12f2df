package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier"
	"callwatch/notifier/slack/clicks"
)

// Account is who the token belongs to.
type Account struct {
	Team    string
	User    string
	URL     string
	Missing []string // scopes that the token lacks, as far as Slack tells
}

// scopes the notifier uses: to post, and to look whether it has posted.
func scopes() []string {
	return []string{"chat:write", "channels:read", "channels:history", "groups:read", "groups:history"}
}

const groupScope = "usergroups:read" // to tell who may use the buttons

// Check asks Slack whose token this is.
// groups adds the scope that an allow-list of user groups needs.
func (c *Client) Check(ctx context.Context, groups bool) (Account, error) {
	who, err := c.api.AuthTestContext(ctx)
	if err != nil {
		return Account{}, fmt.Errorf("check Slack token: %w", c.token.Redact(err))
	}
	if who.UserID == "" {
		return Account{}, fmt.Errorf("check Slack token: %w", unclear("a user"))
	}
	a := Account{Team: who.Team, User: who.User, URL: who.URL}
	need := scopes()
	if groups {
		need = append(need, groupScope)
	}
	if granted := who.Header.Get("X-OAuth-Scopes"); granted != "" {
		have := strings.Split(strings.ReplaceAll(granted, " ", ""), ",")
		for _, s := range need {
			if !slices.Contains(have, s) {
				a.Missing = append(a.Missing, s)
			}
		}
	}
	return a, nil
}

// CheckChannel says in Slack's words why a channel takes no messages of ours,
// such as not_in_channel; nil where it does.
func (c *Client) CheckChannel(ctx context.Context, channel string) error {
	id, err := c.channelID(ctx, channel)
	if err != nil {
		return c.token.Redact(err)
	}
	info, err := c.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch {
	case err != nil:
		return c.token.Redact(err)
	case info.IsArchived:
		return slack.SlackErrorResponse{Err: "is_archived"}
	case !info.IsMember && !info.IsIM:
		return slack.SlackErrorResponse{Err: "not_in_channel"}
	default:
		return nil
	}
}

// groupsFor is how long the members of a user group are remembered.
const groupsFor = 5 * time.Minute

// AllowGroups allows the members of any of the user groups, by their ids (S...).
// Members are asked of Slack at most every five minutes; where it does not
// answer, those known last stay allowed.
func (c *Client) AllowGroups(groups []string, now func() time.Time) clicks.Allow {
	var mu sync.Mutex
	known := map[string][]string{}
	asked := map[string]time.Time{}
	return func(ctx context.Context, user string) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		var failed error
		for _, group := range groups {
			if now().Sub(asked[group]) >= groupsFor {
				members, err := c.api.GetUserGroupMembersContext(ctx, group)
				if err != nil {
					failed = fmt.Errorf("list user group %s: %w", group, c.token.Redact(err))
				} else {
					known[group], asked[group] = members, now()
				}
			}
			if slices.Contains(known[group], user) {
				return true, nil
			}
		}
		return false, failed
	}
}

// Test posts a message that says it is a test and returns a link to it, "" where
// Slack gives none.
func (c *Client) Test(ctx context.Context, channel string, at time.Time) (link string, err error) {
	sent, err := c.Post(ctx, channel, "", c.writer.trial(at), notifier.Tag{Incident: "test", Name: "test"})
	if err != nil {
		return "", err
	}
	link, err = c.api.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: sent.Channel, Ts: sent.TS})
	if err != nil {
		return "", nil // the message was posted; the link is optional
	}
	return link, nil
}
