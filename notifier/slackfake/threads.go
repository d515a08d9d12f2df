package slackfake

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// Thread is a root message with its replies.
type Thread struct {
	Channel string    `json:"channel"` // name with #
	Root    Message   `json:"root"`
	Replies []Message `json:"replies,omitempty"` // oldest first
}

// Message as a reader sees it.
type Message struct {
	TS        string    `json:"ts"`
	At        time.Time `json:"at"`
	Color     string    `json:"color,omitempty"` // of the bar beside it
	Text      string    `json:"text"`            // for notifications
	Shown     string    `json:"shown"`           // blocks as plain text, a line each
	Edits     int       `json:"edits"`
	Broadcast bool      `json:"broadcast,omitempty"`
	Metadata  Metadata  `json:"metadata"`

	Blocks      json.RawMessage `json:"blocks,omitempty"` // as posted
	Attachments json.RawMessage `json:"attachments,omitempty"`
}

// Threads is a snapshot of all channels, the threads in the order they began.
func (s *Server) Threads() []Thread {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Thread
	for _, c := range s.channels {
		place := map[string]int{}
		for _, m := range c.messages {
			if i, ok := place[m.thread]; ok {
				out[i].Replies = append(out[i].Replies, m.shown())
				continue
			}
			place[m.ts] = len(out)
			out = append(out, Thread{Channel: "#" + c.name, Root: m.shown()})
		}
	}
	return out
}

func (m *message) shown() Message {
	out := Message{
		TS: m.ts, At: m.posted, Text: plain(m.text), Edits: m.edits, Broadcast: m.broadcast, Metadata: m.metadata,
		Blocks: m.blocks, Attachments: m.attachments,
	}
	lines := blockLines(m.blocks)
	var as []attachment
	_ = json.Unmarshal(m.attachments, &as) // validated when it came
	for _, a := range as {
		out.Color = a.Color
		if a.Text != "" {
			lines = append(lines, plain(a.Text))
		}
		lines = append(lines, blockLines(a.Blocks)...)
	}
	if out.Shown = strings.Join(lines, "\n"); out.Shown == "" {
		out.Shown = out.Text
	}
	return out
}

func blockLines(raw json.RawMessage) []string {
	var bs []block
	_ = json.Unmarshal(raw, &bs) // validated when it came
	var lines []string
	for _, b := range bs {
		if b.Text != nil {
			lines = append(lines, plain(b.Text.Text))
		}
		lines = append(lines, b.drawn()...)
		for _, f := range b.Fields {
			lines = append(lines, "  "+strings.ReplaceAll(plain(f.Text), "\n", ": "))
		}
		for _, e := range b.Elements {
			var label string
			var t textObject
			if json.Unmarshal(e.Text, &label) != nil && json.Unmarshal(e.Text, &t) == nil {
				label = "[" + t.Text + "]"
			}
			if e.Placeholder != nil {
				label = "[" + e.Placeholder.Text + " ▾]"
			}
			lines = append(lines, plain(label))
		}
	}
	return lines
}

// drawn is a chart or table in text.
func (b *block) drawn() []string {
	var lines []string
	switch b.Type {
	case "data_visualization":
		lines = append(lines, "[chart: "+b.Title+"]")
	case "table":
		for _, row := range b.Rows {
			var cells []string
			for _, c := range row {
				cells = append(cells, plain(c.Text))
			}
			lines = append(lines, strings.Join(cells, " | "))
		}
	}
	return lines
}

var (
	marked = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)
	strong = regexp.MustCompile(`\*([^*\n]+)\*`)
)

// plain is Slack's markup as text: dates and links by what they show, entities
// decoded, the emoji we use as characters.
func plain(s string) string {
	s = marked.ReplaceAllStringFunc(s, func(tag string) string {
		part := marked.FindStringSubmatch(tag)
		switch {
		case strings.HasPrefix(part[1], "!date") && part[2] != "":
			return part[2]
		case part[2] != "":
			return part[2] + " (" + part[1] + ")"
		default:
			return part[1]
		}
	})
	s = strong.ReplaceAllString(s, "$1")
	return strings.NewReplacer(
		"&lt;", "<", "&gt;", ">", "&amp;", "&", "`", "",
		":red_circle:", "🔴", ":large_yellow_circle:", "🟡", ":large_blue_circle:", "🔵", ":white_check_mark:", "✅",
		":small_red_triangle:", "🔺", ":grey_question:", "❔", ":arrow_up:", "⬆️", ":book:", "📖", ":warning:", "⚠️",
		":test_tube:", "🧪", ":eyes:", "👀", ":no_bell:", "🔕", ":bell:", "🔔", ":link:", "🔗", ":alarm_clock:", "⏰",
		":leftwards_arrow_with_hook:", "↩️", ":mag:", "🔍", ":tornado:", "🌪️",
	).Replace(s)
}
