package slackfake

import (
	"net/url"
	"slices"
	"strconv"
)

// history lists a channel's messages, newest first: roots, and replies that
// were broadcast.
func (s *Server) history(form url.Values) reply {
	c, problem := s.readable(form)
	if problem != nil {
		return problem
	}
	var found []*message
	for _, m := range slices.Backward(c.messages) {
		if (m.thread == "" || m.broadcast) && s.listed(m) && within(m, form) {
			found = append(found, m)
		}
	}
	return answer(found, form)
}

// replies lists a thread, oldest first, the root always among them.
func (s *Server) replies(form url.Values) reply {
	c, problem := s.readable(form)
	if problem != nil {
		return problem
	}
	root := c.message(form.Get("ts"))
	if root == nil {
		return failed("thread_not_found")
	}
	found := []*message{root}
	for _, m := range c.messages {
		if m.thread == root.ts && s.listed(m) && within(m, form) {
			found = append(found, m)
		}
	}
	return answer(found, form)
}

// readable is the channel to read; its id is required.
func (s *Server) readable(form url.Values) (*channel, reply) {
	c := s.byID(form.Get("channel"))
	switch {
	case c == nil:
		return nil, failed("channel_not_found")
	case c.absent:
		return nil, failed("not_in_channel")
	default:
		return c, nil
	}
}

// within compares timestamps as texts, which works while seconds have ten digits.
func within(m *message, form url.Values) bool {
	oldest, latest := form.Get("oldest"), form.Get("latest")
	if form.Get("inclusive") == "1" && (m.ts == oldest || m.ts == latest) {
		return true
	}
	return (oldest == "" || m.ts > oldest) && (latest == "" || m.ts < latest)
}

func (s *Server) listed(m *message) bool { return !m.listed.After(s.cfg.Now()) }

func answer(found []*message, form url.Values) reply {
	found, cursor := paged(found, form)
	messages := make([]reply, 0, len(found))
	for _, m := range found {
		messages = append(messages, m.json(form.Get("include_all_metadata") == "1"))
	}
	return reply{
		"ok": true, "messages": messages, "has_more": cursor != "",
		"response_metadata": reply{"next_cursor": cursor},
	}
}

// paged cuts out the page that limit and cursor ask for.
func paged[T any](all []T, form url.Values) (page []T, cursor string) {
	from := min(number(form, "cursor", 0), len(all))
	to := min(from+number(form, "limit", 100), len(all))
	if to < len(all) {
		cursor = strconv.Itoa(to)
	}
	return all[from:to], cursor
}

func (s *Server) list(form url.Values) reply {
	page, cursor := paged(s.channels, form)
	channels := []reply{}
	for _, c := range page {
		if !c.archived || form.Get("exclude_archived") != "true" {
			channels = append(channels, c.json())
		}
	}
	return reply{"ok": true, "channels": channels, "response_metadata": reply{"next_cursor": cursor}}
}

func (s *Server) info(call *Call) reply {
	c := s.byID(call.Channel)
	if c == nil {
		return failed("channel_not_found")
	}
	return reply{"ok": true, "channel": c.json()}
}

func (c *channel) json() reply {
	return reply{"id": c.id, "name": c.name, "is_channel": true, "is_archived": c.archived, "is_member": !c.absent}
}
