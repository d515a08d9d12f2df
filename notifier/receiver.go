package notifier

import (
	"context"
	"time"

	"callwatch/rules"
)

// Messenger keeps a thread of messages for each incident, and can edit and find
// them: Slack. It retries nothing; its errors are of type delivery.Failure.
type Messenger interface {
	// Render writes the message that shows a content.
	Render(c *Content) Message
	// Post sends a message that Render wrote, as a reply where thread is not "".
	Post(ctx context.Context, channel, thread string, m Message, t Tag) (Place, error)
	// Edit replaces a message by one that Render wrote.
	Edit(ctx context.Context, at Place, m Message, t Tag) error
	// Find looks for the message with a tag, in the channel or in a thread. After an
	// error, a call with the same s continues the search.
	Find(ctx context.Context, channel, thread string, t Tag, s *Search) (at Place, found bool, err error)
	// Refused lists the ids of the blocks that may have caused err, an answer to c.
	Refused(c *Content, err error) []string
	// Entry is the line of an incident in the list of a storm.
	Entry(in *rules.Incident) string
	// Test sends a message that says it is a test. link is "" where none is known.
	Test(ctx context.Context, channel string, at time.Time) (link string, err error)
}

// Message is a content as a Messenger shows it.
type Message interface {
	// Digest identifies the appearance: messages with equal digests look the same.
	Digest() string
}

// Content is what a message says. Rendering it depends on nothing else.
type Content struct {
	Incident *rules.Incident
	Line     *Line      // of a reply; nil for the root
	Storm    *StormView // of a storm's thread; nil for that of an incident
	Without  []string   // ids of blocks that were refused
	Plain    bool       // text only: blocks were refused altogether
}

// Place is the address of a message.
type Place struct {
	Channel string `json:"channel"` // id
	TS      string `json:"ts"`
}

// Tag identifies a message in its metadata, so that it can be found again.
type Tag struct {
	Incident string
	Name     string
}

// Search is the progress of looking for a message: a page that could not be read
// is asked for again, not those before it.
type Search struct {
	Since, Until time.Time
	Cursor       string // of the page to read; "" for the first
	Pages        int    // read
}

// Output is a receiver of single messages: nothing is edited there, and receiving
// one twice is harmless or cannot be avoided. Every message is sent at least once,
// in order.
type Output interface {
	// Want is what a transition asks for.
	Want(t *rules.Transition) Want
	// Plan lists what remains to be sent, in order.
	Plan(r *Record, w *Want) []Action
	// Begin records what sending a line may change at the receiver. The record is
	// stored before the line is sent.
	Begin(r *Record, l *Line, now time.Time)
	// Send delivers one line.
	Send(ctx context.Context, r *Record, l *Line, now time.Time) error
	// End records that the line was delivered or given up.
	End(r *Record, l *Line)
	// Every is the least time between two messages.
	Every() time.Duration
}
