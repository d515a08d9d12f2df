package handlers

import (
	"time"

	"callwatch/call"
	"callwatch/rules"
)

// Console feeds the page. Both methods may be called by many requests at once.
type Console interface {
	// Snapshot is what the page shows now. It may share slices with later
	// snapshots: nobody changes them.
	Snapshot() Page
	// Changed is closed at the first change after the call: take it before the
	// snapshot, and none is missed.
	Changed() <-chan struct{}
}

// Page is what the console shows, newest first.
type Page struct {
	Mode      string // "demo" or "dev"
	Notice    string // something that an operator has to mend; "" for nothing
	Counts    Counts
	Events    []call.Event
	Incidents []rules.Incident
	Threads   []Thread
}

// Counts are totals since the start.
type Counts struct {
	Webhooks  int64
	Events    int64
	Incidents int64
	Messages  int64
}

// Thread is a Slack message with its replies, oldest reply first.
type Thread struct {
	ID      string // unique on the page: channel and timestamp
	Channel string // without the #
	Root    Message
	Replies []Message
}

// Message is one Slack message as it stands after its last edit.
type Message struct {
	At          time.Time
	Edited      bool
	Text        string // mrkdwn; Slack shows it where there are no blocks
	Blocks      []Block
	Attachments []Attachment
}

// Attachment is the part of a message with a coloured bar.
type Attachment struct {
	Color  string // #rrggbb, "" for grey
	Blocks []Block
}

// Block is one block of a message, of any type that Slack shows as text.
type Block struct {
	Type    string   // Slack's name: header, section, context, divider, actions
	Text    string   // of header and section; mrkdwn, except in a header
	Fields  []string // of a section, in two columns; mrkdwn
	Items   []string // texts of a context; mrkdwn
	Buttons []string // labels of actions
}

// What one page shows at most, however much the snapshot holds.
const (
	maxEvents    = 100
	maxIncidents = 50
	maxThreads   = 30
)

func (p Page) bounded() Page {
	p.Events = p.Events[:min(len(p.Events), maxEvents)]
	p.Incidents = p.Incidents[:min(len(p.Incidents), maxIncidents)]
	p.Threads = p.Threads[:min(len(p.Threads), maxThreads)]
	return p
}
