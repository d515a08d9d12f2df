package slackfake_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"callwatch/notifier/slackfake"
)

type answer struct {
	OK        bool   `json:"ok"`
	Error     string `json:"error"`
	Channel   any    `json:"channel"`
	TS        string `json:"ts"`
	Permalink string `json:"permalink"`
	Messages  []struct {
		TS       string             `json:"ts"`
		Text     string             `json:"text"`
		Metadata slackfake.Metadata `json:"metadata"`
	} `json:"messages"`
	Channels []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"channels"`
	Meta struct {
		Cursor   string   `json:"next_cursor"`
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

type slack struct {
	t    *testing.T
	url  string
	fake *slackfake.Server
}

func start(t *testing.T, channels ...string) *slack {
	t.Helper()
	still := time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)
	fake := slackfake.New(slackfake.Config{Now: func() time.Time { return still }, Token: "xoxb-1", Channels: channels, Scopes: []string{"chat:write"}})
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return &slack{t, server.URL + "/api/", fake}
}

func (s *slack) do(method string, pairs ...string) (answer, error) {
	s.t.Helper()
	form := url.Values{"token": {"xoxb-1"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	resp, err := http.PostForm(s.url+method, form)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("status %d, retry after %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	var a answer
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

func (s *slack) must(method string, pairs ...string) answer {
	s.t.Helper()
	a, err := s.do(method, pairs...)
	if err != nil || !a.OK {
		s.t.Fatalf("%s: %v %s %v", method, err, a.Error, a.Meta.Messages)
	}
	return a
}

func (s *slack) refuses(want, method string, pairs ...string) {
	s.t.Helper()
	a, err := s.do(method, pairs...)
	if err != nil || a.Error != want {
		s.t.Errorf("%s %v: got %q %v, want %q", method, pairs, a.Error, err, want)
	}
}

func TestThreadWithEdits(t *testing.T) {
	s := start(t, "#ops")
	changed := s.fake.Changed()
	meta := `{"event_type":"callwatch_incident","event_payload":{"incident":"i1"}}`
	root := s.must("chat.postMessage", "channel", "#ops", "text", "100 % <&gt; &lt;!here&gt;", "metadata", meta)
	<-changed
	id := root.Channel.(string)
	first := s.must("chat.postMessage", "channel", id, "thread_ts", root.TS, "text", "one")
	second := s.must("chat.postMessage", "channel", id, "thread_ts", root.TS, "text", "two", "reply_broadcast", "true")
	if root.TS == first.TS || first.TS == second.TS {
		t.Errorf("timestamps %s %s %s are not unique though time stands still", root.TS, first.TS, second.TS)
	}
	s.must("chat.update", "channel", id, "ts", root.TS, "text", "edited",
		"blocks", `[{"type":"header","text":{"type":"plain_text","text":":red_circle: 5 % bad"}}]`,
		"attachments", `[{"color":"#123","blocks":[{"type":"section","fields":[{"type":"mrkdwn","text":"*MOS*\n2.1"}]}]}]`)

	ths := s.fake.Threads()
	if len(ths) != 1 || len(ths[0].Replies) != 2 {
		t.Fatalf("threads %+v", ths)
	}
	r := ths[0].Root
	if r.Shown != "🔴 5 % bad\n  MOS: 2.1" || r.Edits != 1 || r.Color != "#123" || r.Metadata.EventPayload["incident"] != "i1" {
		t.Errorf("root %+v", r)
	}
	if !ths[0].Replies[1].Broadcast {
		t.Error("second reply is not broadcast")
	}
	if link := s.must("chat.getPermalink", "channel", id, "message_ts", root.TS).Permalink; !strings.HasPrefix(link, "https://") {
		t.Errorf("permalink %q", link)
	}
	s.must("chat.delete", "channel", id, "ts", root.TS)
	if len(s.fake.Threads()) != 0 {
		t.Error("a thread survives its deletion")
	}
	s.refuses("message_not_found", "chat.update", "channel", id, "ts", root.TS, "text", "x")
	s.refuses("thread_not_found", "chat.postMessage", "channel", id, "thread_ts", root.TS, "text", "x")
}

func TestHistoryAndReplies(t *testing.T) {
	s := start(t, "#ops")
	var ts []string
	meta := `{"event_type":"e","event_payload":{"n":"1"}}`
	var id string
	for i := range 5 {
		a := s.must("chat.postMessage", "channel", "#ops", "text", fmt.Sprint(i), "metadata", meta)
		ts, id = append(ts, a.TS), a.Channel.(string)
	}
	s.must("chat.postMessage", "channel", id, "thread_ts", ts[0], "text", "reply")
	s.must("chat.postMessage", "channel", id, "thread_ts", ts[0], "text", "loud", "reply_broadcast", "true")

	texts := func(a answer) (out []string) {
		for _, m := range a.Messages {
			out = append(out, m.Text)
		}
		return out
	}
	page := s.must("conversations.history", "channel", id, "limit", "4", "oldest", ts[0], "include_all_metadata", "1")
	if got := texts(page); !slices.Equal(got, []string{"loud", "4", "3", "2"}) || page.Meta.Cursor == "" {
		t.Errorf("first page %v, cursor %q", got, page.Meta.Cursor)
	}
	if page.Messages[1].Metadata.EventType != "e" {
		t.Error("no metadata though asked for")
	}
	rest := s.must("conversations.history", "channel", id, "limit", "4", "oldest", ts[0], "cursor", page.Meta.Cursor)
	if got := texts(rest); !slices.Equal(got, []string{"1"}) || rest.Meta.Cursor != "" {
		t.Errorf("second page %v, cursor %q", got, rest.Meta.Cursor)
	}
	if rest.Messages[0].Metadata.EventType != "" {
		t.Error("metadata though not asked for")
	}
	if got := texts(s.must("conversations.replies", "channel", id, "ts", ts[0])); !slices.Equal(got, []string{"0", "reply", "loud"}) {
		t.Errorf("replies %v", got)
	}
	if got := s.must("conversations.list").Channels; len(got) != 1 || got[0].Name != "ops" || got[0].ID != id {
		t.Errorf("channels %v", got)
	}
	s.must("conversations.info", "channel", id)
	s.refuses("channel_not_found", "conversations.history", "channel", "#ops") // ids only
}

func TestRefusals(t *testing.T) {
	s := start(t, "#ops", "#old", "#private")
	s.fake.Archive("#old", true)
	s.fake.Leave("#private", true)
	s.refuses("channel_not_found", "chat.postMessage", "channel", "#nope", "text", "x")
	s.refuses("is_archived", "chat.postMessage", "channel", "#old", "text", "x")
	s.refuses("not_in_channel", "chat.postMessage", "channel", "#private", "text", "x")
	s.refuses("no_text", "chat.postMessage", "channel", "#ops")
	s.refuses("channel_not_found", "chat.update", "channel", "#ops", "ts", "1.1", "text", "x")
	s.refuses("invalid_auth", "auth.test", "token", "xoxb-2")
	s.refuses("not_authed", "auth.test", "token", "")
	s.refuses("unknown_method", "chat.dance")
	s.fake.Revoke("token_revoked")
	s.refuses("token_revoked", "auth.test")
	s.fake.Revoke("")
	s.must("auth.test")
}

func TestLimits(t *testing.T) {
	text := func(kind string, n int) string {
		return fmt.Sprintf(`{"type":%q,"text":%q}`, kind, strings.Repeat("x", n))
	}
	repeat := func(s string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(s+",", n), ",") + "]"
	}
	section := func(n int) string { return `{"type":"section","text":` + text("mrkdwn", n) + `}` }
	fields := func(n, size int) string {
		return `[{"type":"section","fields":` + repeat(text("mrkdwn", size), n) + `}]`
	}
	button := func(n int) string {
		return `[{"type":"actions","elements":[{"type":"button","text":` + text("plain_text", n) + `}]}]`
	}
	header := func(kind string, n int) string { return `[{"type":"header","text":` + text(kind, n) + `}]` }
	for name, c := range map[string]struct {
		blocks string
		ok     bool
	}{
		"50 blocks":         {repeat(section(1), 50), true},
		"51 blocks":         {repeat(section(1), 51), false},
		"section 3000":      {"[" + section(3000) + "]", true},
		"section 3001":      {"[" + section(3001) + "]", false},
		"section empty":     {"[" + section(0) + "]", false},
		"section of none":   {`[{"type":"section"}]`, false},
		"10 fields of 2000": {fields(10, 2000), true},
		"11 fields":         {fields(11, 1), false},
		"field 2001":        {fields(1, 2001), false},
		"header 150":        {header("plain_text", 150), true},
		"header 151":        {header("plain_text", 151), false},
		"header in markup":  {header("mrkdwn", 5), false},
		"button 75":         {button(75), true},
		"button 76":         {button(76), false},
		"unknown block":     {`[{"type":"dance"}]`, false},
		"no JSON":           {`[{`, false},
	} {
		if got := slackfake.Validate("x", json.RawMessage(c.blocks), nil); (len(got) == 0) != c.ok {
			t.Errorf("%s: %v", name, got)
		}
		attached := json.RawMessage(`[{"blocks":` + c.blocks + `}]`)
		if got := slackfake.Validate("x", nil, attached); (len(got) == 0) != c.ok {
			t.Errorf("%s, attached: %v", name, got)
		}
	}
	s := start(t, "#ops")
	s.refuses("invalid_blocks", "chat.postMessage", "channel", "#ops", "text", "x", "blocks", header("plain_text", 151))
	if len(s.fake.Threads()) != 0 {
		t.Error("a refused message is there")
	}
}

func TestFaults(t *testing.T) {
	s := start(t, "#ops")
	for name, c := range map[string]struct {
		fault  slackfake.Fault
		err    string // in the client's error; "" for an answer
		posted bool
	}{
		"limited":        {slackfake.Fault{Status: 429, RetryAfter: 3}, `status 429, retry after "3"`, false},
		"limited, bare":  {slackfake.Fault{Status: 429}, `status 429, retry after ""`, false},
		"500":            {slackfake.Fault{Status: 500}, "status 500", false},
		"500, committed": {slackfake.Fault{Status: 500, Commit: true}, "status 500", true},
		"cut":            {slackfake.Fault{Cut: true}, "EOF", false},
		"cut, committed": {slackfake.Fault{Cut: true, Commit: true}, "EOF", true},
		"named":          {slackfake.Fault{Error: "internal_error"}, "", false},
		"slow":           {slackfake.Fault{Hang: time.Millisecond, Commit: true}, "", true},
	} {
		before := len(s.fake.Threads())
		s.fake.SetFault(func(slackfake.Call) slackfake.Fault { return c.fault })
		a, err := s.do("chat.postMessage", "channel", "#ops", "text", "x")
		switch {
		case c.err == "" && (err != nil || a.Error != c.fault.Error):
			t.Errorf("%s: %v, %q", name, err, a.Error)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) && !errors.Is(err, io.EOF):
			t.Errorf("%s: error %v, want %s", name, err, c.err)
		}
		if posted := len(s.fake.Threads()) > before; posted != c.posted {
			t.Errorf("%s: posted %v, want %v", name, posted, c.posted)
		}
		calls := s.fake.Calls()
		if last := calls[len(calls)-1]; last.Fault != c.fault || (last.Committed != "") != c.posted {
			t.Errorf("%s: recorded %+v", name, last)
		}
	}
}

func TestSeededFaultsRepeat(t *testing.T) {
	a, b := slackfake.Seeded(7, 0.5, time.Second), slackfake.Seeded(7, 0.5, time.Second)
	faults := 0
	for range 200 {
		x, y := a(slackfake.Call{}), b(slackfake.Call{})
		if x != y {
			t.Fatal("the same seed gives other faults")
		}
		if x != (slackfake.Fault{}) {
			faults++
		}
	}
	if faults < 60 || faults > 140 {
		t.Errorf("%d of 200 calls are faulty, want about half", faults)
	}
}
