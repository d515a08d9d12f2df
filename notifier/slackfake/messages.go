package slackfake

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metadata of a message.
type Metadata struct {
	EventType    string         `json:"event_type,omitempty"`
	EventPayload map[string]any `json:"event_payload,omitempty"`
}

type channel struct {
	id, name string // name without #
	archived bool
	absent   bool       // the bot is not a member
	messages []*message // oldest first, replies included
}

type message struct {
	ts, thread  string // thread is "" for a root
	text        string
	blocks      json.RawMessage
	attachments json.RawMessage
	metadata    Metadata
	broadcast   bool
	posted      time.Time
	listed      time.Time // when history shows it
	edits       int
}

func (s *Server) addChannel(name string) *channel {
	c := &channel{id: fmt.Sprintf("C%07d", len(s.channels)+1), name: strings.TrimPrefix(name, "#")}
	s.channels = append(s.channels, c)
	return c
}

// Archive makes a channel refuse messages; archived false brings it back.
func (s *Server) Archive(name string, archived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byName(name); c != nil {
		c.archived = archived
	}
}

// Leave takes the bot out of a channel; absent false invites it again.
func (s *Server) Leave(name string, absent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byName(name); c != nil {
		c.absent = absent
	}
}

// Delete removes a message, as a person does, with its replies if it is a root.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byName(channel); c != nil {
		c.drop(ts)
		s.announce()
	}
}

func (c *channel) drop(ts string) {
	c.messages = slices.DeleteFunc(c.messages, func(m *message) bool { return m.ts == ts || m.thread == ts })
}

// announce wakes those who wait for a change.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) byID(id string) *channel {
	for _, c := range s.channels {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (s *Server) byName(name string) *channel {
	name = strings.TrimPrefix(name, "#")
	for _, c := range s.channels {
		if c.name == name {
			return c
		}
	}
	return nil
}

// into is the channel to post into, by id or name.
func (s *Server) into(name string) (*channel, string) {
	c := s.byID(name)
	if c == nil {
		c = s.byName(name)
	}
	if c == nil && len(s.cfg.Channels) == 0 && strings.HasPrefix(name, "#") && len(name) > 1 {
		c = s.addChannel(name)
	}
	switch {
	case c == nil:
		return nil, "channel_not_found"
	case c.archived:
		return nil, "is_archived"
	case c.absent:
		return nil, "not_in_channel"
	default:
		return c, ""
	}
}

func (c *channel) message(ts string) *message {
	for _, m := range c.messages {
		if m.ts == ts {
			return m
		}
	}
	return nil
}

func (s *Server) postMessage(call *Call, form url.Values) reply {
	c, err := s.into(call.Channel)
	if err != "" {
		return failed(err)
	}
	m := &message{thread: call.Thread, broadcast: call.Broadcast, metadata: call.Metadata}
	if problem := m.fill(form); problem != nil {
		return problem
	}
	if m.thread != "" && c.message(m.thread) == nil {
		return failed("thread_not_found")
	}
	m.ts, m.posted, m.listed = s.stamp(), call.At, call.At.Add(call.Fault.Late)
	c.messages = append(c.messages, m)
	call.Committed = m.ts
	s.announce()
	return reply{"ok": true, "channel": c.id, "ts": m.ts, "message": m.json(true)}
}

// stamp is a timestamp that no other message has.
func (s *Server) stamp() string {
	t := s.cfg.Now().Truncate(time.Microsecond)
	if !t.After(s.last) {
		t = s.last.Add(time.Microsecond)
	}
	s.last = t
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// fill takes over content, or says what Slack would not like about it.
func (m *message) fill(form url.Values) reply {
	m.text = form.Get("text")
	if raw := form.Get("metadata"); raw != "" {
		var said Metadata // not into what is there: answers that are on their way share it
		if err := json.Unmarshal([]byte(raw), &said); err != nil {
			return failed("invalid_metadata_format")
		}
		m.metadata = said
	}
	m.blocks, m.attachments = list(form.Get("blocks")), list(form.Get("attachments"))
	if problems := Validate(m.text, m.blocks, m.attachments); len(problems) > 0 {
		return reply{
			"ok": false, "error": "invalid_blocks",
			"response_metadata": reply{"messages": problems},
		}
	}
	if m.text == "" && m.blocks == nil && m.attachments == nil {
		return failed("no_text")
	}
	return nil
}

// list is a JSON list, nil for none and an empty one.
func list(s string) json.RawMessage {
	if s == "" || s == "[]" || s == "null" {
		return nil
	}
	return json.RawMessage(s)
}

func (s *Server) update(call *Call, form url.Values) reply {
	c := s.byID(call.Channel) // unlike posting, editing takes no names
	switch {
	case c == nil:
		return failed("channel_not_found")
	case c.archived:
		return failed("is_archived")
	}
	m := c.message(call.TS)
	if m == nil {
		return failed("message_not_found")
	}
	next := *m
	if problem := next.fill(form); problem != nil {
		return problem
	}
	next.edits++
	*m = next
	s.announce()
	return reply{"ok": true, "channel": c.id, "ts": m.ts, "text": m.text, "message": m.json(true)}
}

func (s *Server) remove(call *Call) reply {
	c := s.byID(call.Channel)
	if c == nil {
		return failed("channel_not_found")
	}
	if c.message(call.TS) == nil {
		return failed("message_not_found")
	}
	c.drop(call.TS)
	s.announce()
	return reply{"ok": true, "channel": c.id, "ts": call.TS}
}

func (s *Server) permalink(form url.Values) reply {
	c := s.byID(form.Get("channel"))
	if c == nil {
		return failed("channel_not_found")
	}
	m := c.message(form.Get("message_ts"))
	if m == nil {
		return failed("message_not_found")
	}
	link := "https://callwatch.slack.example/archives/" + c.id + "/p" + strings.ReplaceAll(m.ts, ".", "")
	return reply{"ok": true, "channel": c.id, "permalink": link}
}

func (m *message) json(metadata bool) reply {
	out := reply{"type": "message", "user": "U0000001", "bot_id": "B0000001", "text": m.text, "ts": m.ts}
	if m.thread != "" {
		out["thread_ts"] = m.thread
		if m.broadcast {
			out["subtype"] = "thread_broadcast"
		}
	}
	if m.blocks != nil {
		out["blocks"] = m.blocks
	}
	if m.attachments != nil {
		out["attachments"] = m.attachments
	}
	if m.edits > 0 {
		out["edited"] = reply{"user": "U0000001", "ts": m.ts}
	}
	if metadata && m.metadata.EventType != "" {
		out["metadata"] = m.metadata
	}
	return out
}

// number reads a form value, fallback where it is none.
func number(form url.Values, name string, fallback int) int {
	n, err := strconv.Atoi(form.Get(name))
	if err != nil || n <= 0 {
		return fallback
	}
	return n
}
