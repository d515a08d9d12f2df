// Package slack renders incidents as Slack messages, posts, edits and finds them. It
// implements notifier.Messenger and, for an incoming webhook, notifier.Output. Package
// clicks below it answers the buttons; no package beside these two imports slack-go.
package slack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"callwatch/notifier"
	"callwatch/notifier/delivery"
	"callwatch/rules"
)

// Config is what messages in Slack depend on.
type Config struct {
	Token       delivery.Token // bot token
	APIURL      string         // "" for Slack's own
	Timeout     time.Duration
	ShowNumbers bool   // show phone numbers in full
	Buttons     bool   // messages carry buttons: package clicks answers them
	ConsoleURL  string // address of the console, for links; "" for none

	// Title is a provider's display name; nil shows the name as it is.
	Title func(provider string) string
}

func (c *Config) writer() *writer {
	return &writer{title: c.Title, showNumbers: c.ShowNumbers, buttons: c.Buttons, console: c.ConsoleURL}
}

// Client posts to Slack with a bot token. It retries nothing.
type Client struct {
	api    *slack.Client
	token  delivery.Token
	writer *writer

	mu  sync.Mutex
	ids map[string]string // channel ids by the name they are configured with
}

// New returns a client of the API at cfg.APIURL.
func New(cfg Config) *Client {
	web := delivery.HTTPClient(cmp.Or(cfg.Timeout, delivery.DefaultTimeout))
	return &Client{
		api: slack.New(string(cfg.Token), slack.OptionAPIURL(apiURL(cfg.APIURL)), slack.OptionHTTPClient(checked{web}),
			slack.OptionLog(log.New(io.Discard, "", 0))),
		token:  cfg.Token,
		writer: cfg.writer(),
		ids:    map[string]string{},
	}
}

// checked lets through what Slack's Web API answers: JSON with ok, or with an error. The
// library takes an answer without either for ok.
type checked struct{ web *http.Client }

// Do sends a request and fails for an answer 200 that is not Slack's.
func (c checked) Do(r *http.Request) (*http.Response, error) {
	res, err := c.web.Do(r)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || !answer.OK && answer.Error == "" {
		return nil, delivery.Unexpected(res, body, "Slack's JSON")
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// unclear is an answer ok that lacks what was asked for.
func unclear(lacks string) error {
	return &delivery.Failure{Outcome: delivery.Unclear, Err: errors.New("answered ok without " + lacks)}
}

// stamps are timestamps of messages. What has another form cannot be edited or replied to.
var stamps = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

// apiURL is the base address of the API, "" for Slack's own.
func apiURL(url string) string {
	if url == "" {
		url = slack.APIURL
	}
	return strings.TrimRight(url, "/") + "/"
}

const eventType = "callwatch_incident"

// metadata attaches a tag to a message.
func metadata(t notifier.Tag) slack.MsgOption {
	return slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType:    eventType,
		EventPayload: map[string]any{"incident": t.Incident, "transition": t.Name},
	})
}

// carries reports whether a message has the tag.
func carries(m *slack.Message, t notifier.Tag) bool {
	return m.Metadata.EventType == eventType &&
		m.Metadata.EventPayload["incident"] == t.Incident &&
		m.Metadata.EventPayload["transition"] == t.Name
}

// Render writes the message that shows a content.
func (c *Client) Render(what *notifier.Content) notifier.Message { return c.writer.render(what) }

// Entry is the line of an incident in the list of a storm.
func (c *Client) Entry(in *rules.Incident) string { return string(c.writer.stormEntry(in)) }

// Post sends a message that Render wrote to a channel, as a reply where thread is not "".
func (c *Client) Post(ctx context.Context, channel, thread string, m notifier.Message, t notifier.Tag) (notifier.Place, error) {
	shown := m.(message)
	opts := append(shown.options(), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(), metadata(t))
	if thread != "" {
		opts = append(opts, slack.MsgOptionTS(thread))
		if shown.Broadcast {
			opts = append(opts, slack.MsgOptionBroadcast())
		}
	}
	id, ts, err := c.api.PostMessageContext(ctx, channel, opts...)
	if err != nil {
		return notifier.Place{}, c.failure(err)
	}
	if id == "" || !stamps.MatchString(ts) {
		return notifier.Place{}, c.failure(unclear("the message's channel and timestamp"))
	}
	c.learn(channel, id)
	return notifier.Place{Channel: id, TS: ts}, nil
}

// Edit replaces a message by one that Render wrote. Of the answer it needs ok alone.
func (c *Client) Edit(ctx context.Context, at notifier.Place, m notifier.Message, t notifier.Tag) error {
	_, _, _, err := c.api.UpdateMessageContext(ctx, at.Channel, at.TS, append(m.(message).options(), metadata(t))...)
	return c.failure(err)
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

var errTooMany = fmt.Errorf("more than %d messages to look through", pageSize*maxPages)

// Find looks for the message with a tag, in the channel or, where thread is not
// "", among its replies. After an error it continues where s says.
func (c *Client) Find(ctx context.Context, channel, thread string, t notifier.Tag, s *notifier.Search) (at notifier.Place, found bool, err error) {
	at, found, err = c.find(ctx, channel, thread, t, s)
	err = c.failure(err)
	if f := (*delivery.Failure)(nil); errors.As(err, &f) && (f.Outcome == delivery.BadChannel || isAnswer(err, "missing_scope") || errors.Is(err, errTooMany)) {
		f.Outcome = delivery.Unreadable
	}
	return at, found, err
}

func (c *Client) find(ctx context.Context, channel, thread string, t notifier.Tag, s *notifier.Search) (at notifier.Place, found bool, err error) {
	id, err := c.channelID(ctx, channel)
	if err != nil {
		return notifier.Place{}, false, err
	}
	for s.Pages < maxPages {
		messages, next, err := c.page(ctx, id, thread, s)
		if err != nil {
			if isAnswer(err, "invalid_cursor") {
				s.Cursor = "" // it is too old
			}
			return notifier.Place{}, false, err
		}
		for i := range messages {
			if carries(&messages[i], t) {
				return notifier.Place{Channel: id, TS: messages[i].Timestamp}, true, nil
			}
		}
		s.Pages, s.Cursor = s.Pages+1, next
		if next == "" {
			return notifier.Place{}, false, nil
		}
	}
	return notifier.Place{}, false, errTooMany
}

func isAnswer(err error, name string) bool {
	var answer slack.SlackErrorResponse
	return errors.As(err, &answer) && answer.Err == name
}

func timestamp(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }

func (c *Client) page(ctx context.Context, id, thread string, s *notifier.Search) ([]slack.Message, string, error) {
	var messages []slack.Message
	var next string
	if thread != "" {
		var err error
		messages, _, next, err = c.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
			ChannelID: id, Timestamp: thread, Oldest: timestamp(s.Since), Latest: timestamp(s.Until), Cursor: s.Cursor, Limit: pageSize, IncludeAllMetadata: true,
		})
		if err != nil {
			return nil, "", err
		}
	} else {
		page, err := c.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: id, Oldest: timestamp(s.Since), Latest: timestamp(s.Until), Cursor: s.Cursor, Limit: pageSize, IncludeAllMetadata: true,
		})
		if err != nil {
			return nil, "", err
		}
		messages, next = page.Messages, page.ResponseMetaData.NextCursor
	}
	if messages == nil { // an empty list is there
		return nil, "", unclear("messages")
	}
	return messages, next, nil
}

// channelID is the id of a channel given by name or id. Posting takes either,
// looking takes ids only.
func (c *Client) channelID(ctx context.Context, channel string) (string, error) {
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
			return "", err
		}
		if page == nil {
			return "", unclear("channels")
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

func (c *Client) learn(channel, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[channel] = id
}
