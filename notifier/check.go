package notifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// ErrNotConfigured means that there is no Slack token.
var ErrNotConfigured = errors.New("no Slack token configured")

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

// Check asks Slack who we are. It returns ErrNotConfigured without a token.
// groups adds the scope that an allow-list of user groups needs.
func (n *Notifier) Check(ctx context.Context, groups bool) (Account, error) {
	if n.slack == nil {
		return Account{}, ErrNotConfigured
	}
	who, err := n.slack.api.AuthTestContext(ctx)
	if err != nil {
		return Account{}, fmt.Errorf("check Slack token: %w", n.cfg.Token.redact(err))
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
func (n *Notifier) CheckChannel(ctx context.Context, channel string) error {
	if n.slack == nil {
		return ErrNotConfigured
	}
	id, err := n.slack.channelID(ctx, channel)
	if err != nil {
		return err
	}
	info, err := n.slack.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	switch {
	case err != nil:
		return n.cfg.Token.redact(err)
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
func (n *Notifier) AllowGroups(groups []string) Allow {
	var mu sync.Mutex
	known := map[string][]string{}
	asked := map[string]time.Time{}
	return func(ctx context.Context, user string) (bool, error) {
		if n.slack == nil {
			return false, ErrNotConfigured
		}
		mu.Lock()
		defer mu.Unlock()
		var failed error
		for _, group := range groups {
			if n.now().Sub(asked[group]) >= groupsFor {
				members, err := n.slack.api.GetUserGroupMembersContext(ctx, group)
				if err != nil {
					failed = fmt.Errorf("list user group %s: %w", group, n.cfg.Token.redact(err))
				} else {
					known[group], asked[group] = members, n.now()
				}
			}
			if slices.Contains(known[group], user) {
				return true, nil
			}
		}
		return false, failed
	}
}
