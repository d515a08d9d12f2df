package slackpreview

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Thread is a Slack message with its replies, oldest reply first.
type Thread struct {
	ID      string // unique on the page: channel and timestamp
	Channel string // without the #
	Root    Message
	Replies []Message
}

// Message is one Slack message as it is after its last edit.
type Message struct {
	TS          string // Slack's timestamp, which names the message
	At          time.Time
	Edited      bool
	Broadcast   bool   // a reply that the channel sees as well
	Text        string // mrkdwn; Slack shows it where there are no blocks
	Blocks      []Block
	Attachments []Attachment
}

// Attachment is the part of a message with a coloured bar.
type Attachment struct {
	Color  string // #rrggbb, "" for grey
	Blocks []Block
}

// Block is one block of a message.
type Block struct {
	Type     string     // Slack's name: header, section, context, divider, actions, table, data_visualization
	Text     string     // of header and section; mrkdwn, except in a header
	Fields   []string   // of a section, in two columns; mrkdwn
	Items    []string   // texts of a context; mrkdwn
	Controls []Control  // of actions
	Table    [][]string // rows of plain text, the first one names the columns
	Chart    *Chart
}

// Control is a button, a link that looks like one, or a menu.
type Control struct {
	Label   string
	Action  string   // Slack's action id
	URL     string   // of a link
	Options []string // of a menu; a choice is told by its place
}

// Chart is a line chart.
type Chart struct {
	Title      string
	XLabel     string
	YLabel     string
	Categories []string
	Series     [][]float64 // a value for each category
}

// Presser does to a message what a reader would do in Slack. It returns
// ErrNoControl where the message has no such control.
type Presser func(ctx context.Context, p Press) error

// ErrNoControl says that a message is gone, or shows the control no more.
var ErrNoControl = errors.New("the message has no such control")

// Press is what a reader does to a message.
type Press struct {
	Message string `json:"message"` // its timestamp
	Action  string `json:"action"`  // id of the control
	Option  int    `json:"option"`  // place in a menu
}

// maxLink is the length of the longest address that a button of Slack can have.
const maxLink = 3000

// webLink is an address that may be followed from the page; "" for any other.
func webLink(s string) string {
	if len(s) <= maxLink && (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) {
		return s
	}
	return ""
}
