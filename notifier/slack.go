package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// client speaks to Slack. It retries nothing: what a result means is decided
// by outcomeOf, and when to try again by the queue.
type client struct {
	api   *slack.Client
	token Token

	mu  sync.Mutex
	ids map[string]string // channel ids by the name they are configured with
}

// newClient talks to the API at url, "" for Slack's own.
func newClient(token Token, url string, timeout time.Duration) *client {
	web := &http.Client{
		Timeout: timeout,
		// A redirect would carry the token, which is in the form, elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &client{
		api: slack.New(string(token), slack.OptionAPIURL(apiURL(url)), slack.OptionHTTPClient(web),
			slack.OptionLog(log.New(io.Discard, "", 0))),
		token: token,
		ids:   map[string]string{},
	}
}

// apiURL is the base address of the API, "" for Slack's own.
func apiURL(url string) string {
	if url == "" {
		url = slack.APIURL
	}
	return strings.TrimRight(url, "/") + "/"
}

// place is where a message is.
type place struct {
	Channel string `json:"channel"` // id
	TS      string `json:"ts"`
}

// tag names a message in its metadata, so that it can be found again.
type tag struct {
	incident string
	name     string
}

const eventType = "callwatch_incident"

func (t tag) option() slack.MsgOption {
	return slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType:    eventType,
		EventPayload: map[string]any{"incident": t.incident, "transition": t.name},
	})
}

func (t tag) on(m *slack.Message) bool {
	return m.Metadata.EventType == eventType &&
		m.Metadata.EventPayload["incident"] == t.incident &&
		m.Metadata.EventPayload["transition"] == t.name
}

// post sends m to a channel, as a reply where thread is set.
func (c *client) post(ctx context.Context, channel, thread string, m message, t tag) (place, error) {
	opts := append(m.options(), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(), t.option())
	if thread != "" {
		opts = append(opts, slack.MsgOptionTS(thread))
		if m.Broadcast {
			opts = append(opts, slack.MsgOptionBroadcast())
		}
	}
	id, ts, err := c.api.PostMessageContext(ctx, channel, opts...)
	if err != nil {
		return place{}, c.token.redact(err)
	}
	c.learn(channel, id)
	return place{id, ts}, nil
}

// edit replaces the content of a message.
func (c *client) edit(ctx context.Context, at place, m message, t tag) error {
	_, _, _, err := c.api.UpdateMessageContext(ctx, at.Channel, at.TS, append(m.options(), t.option())...)
	return c.token.redact(err)
}

// options always name blocks and attachments, so that an edit without them
// clears what was there.
func (m message) options() []slack.MsgOption {
	attachments := m.Attachments
	if attachments == nil {
		attachments = []slack.Attachment{}
	}
	return []slack.MsgOption{
		slack.MsgOptionText(m.Text, false), // escaped already
		slack.MsgOptionBlocks(m.Blocks...),
		slack.MsgOptionAttachments(attachments...),
		slack.MsgOptionParse(false),
		slack.MsgOptionLinkNames(false),
	}
}

const (
	pageSize = 200
	maxPages = 50
)

// search is how far looking for a message has got: a page that could not be read
// is asked for again, not those before it.
type search struct {
	since, until time.Time
	cursor       string // of the page to read; "" for the first
	pages        int    // read
}

var errTooMany = fmt.Errorf("more than %d messages to look through", pageSize*maxPages)

// find looks for a message that carries the tag, in the channel or, where thread
// is set, among its replies. After an error it goes on where s says.
func (c *client) find(ctx context.Context, channel, thread string, t tag, s *search) (at place, found bool, err error) {
	id, err := c.channelID(ctx, channel)
	if err != nil {
		return place{}, false, err
	}
	for s.pages < maxPages {
		messages, next, err := c.page(ctx, id, thread, s)
		if err != nil {
			if isAnswer(err, "invalid_cursor") {
				s.cursor = "" // it is too old
			}
			return place{}, false, c.token.redact(err)
		}
		for i := range messages {
			if t.on(&messages[i]) {
				return place{id, messages[i].Timestamp}, true, nil
			}
		}
		s.pages, s.cursor = s.pages+1, next
		if next == "" {
			return place{}, false, nil
		}
	}
	return place{}, false, errTooMany
}

func isAnswer(err error, name string) bool {
	var answer slack.SlackErrorResponse
	return errors.As(err, &answer) && answer.Err == name
}

func timestamp(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

func (c *client) page(ctx context.Context, id, thread string, s *search) ([]slack.Message, string, error) {
	if thread != "" {
		messages, _, next, err := c.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
			ChannelID: id, Timestamp: thread, Oldest: timestamp(s.since), Latest: timestamp(s.until), Cursor: s.cursor, Limit: pageSize, IncludeAllMetadata: true,
		})
		return messages, next, err
	}
	page, err := c.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: id, Oldest: timestamp(s.since), Latest: timestamp(s.until), Cursor: s.cursor, Limit: pageSize, IncludeAllMetadata: true,
	})
	if err != nil {
		return nil, "", err
	}
	return page.Messages, page.ResponseMetaData.NextCursor, nil
}

// channelID is the id of a channel given by name or id. Posting takes either,
// looking takes ids only.
func (c *client) channelID(ctx context.Context, channel string) (string, error) {
	name, named := strings.CutPrefix(channel, "#")
	c.mu.Lock()
	id := c.ids[channel]
	c.mu.Unlock()
	if id != "" || !named {
		return cmp.Or(id, channel), nil
	}
	cursor := ""
	for range maxPages {
		page, next, err := c.api.GetConversationsContext(ctx, &slack.GetConversationsParameters{
			Types: []string{"public_channel", "private_channel"}, ExcludeArchived: true, Limit: pageSize, Cursor: cursor,
		})
		if err != nil {
			return "", c.token.redact(err)
		}
		for i := range page {
			c.learn("#"+page[i].Name, page[i].ID)
			if page[i].Name == name {
				return page[i].ID, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", slack.SlackErrorResponse{Err: "channel_not_found"}
}

func (c *client) learn(channel, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[channel] = id
}
