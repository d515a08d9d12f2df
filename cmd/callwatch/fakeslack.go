package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"callwatch/handlers"
	"callwatch/notifier/slackfake"
)

// fakeSlack is a Slack workspace in memory on a loopback port: serve --dev and
// demo announce to it, through the same client as to the real one.
type fakeSlack struct {
	server *slackfake.Server
	http   *http.Server
	url    string
}

func startFakeSlack() (*fakeSlack, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the made-up Slack: %w", err)
	}
	server := slackfake.New(slackfake.Config{Now: time.Now})
	f := &fakeSlack{
		server: server, url: "http://" + listener.Addr().String() + "/api/",
		http: &http.Server{Handler: server, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() { _ = f.http.Serve(listener) }()
	return f, nil
}

func (f *fakeSlack) close() { _ = f.http.Close() }

// useFakeSlack makes the app announce to a Slack of its own.
func (a *app) useFakeSlack() error {
	slack, err := startFakeSlack()
	if err != nil {
		return err
	}
	a.console.slack = slack
	a.cfg.Slack.APIURL, a.cfg.Slack.Token, a.cfg.Slack.Channel = slack.url, "xoxb-made-up", "#voice-quality"
	a.cfg.Slack.Rate = 20
	return nil
}

// threads are the workspace's threads as the page shows them, newest first, and
// the number of messages.
func (f *fakeSlack) threads() ([]handlers.Thread, int64) {
	all := f.server.Threads()
	var messages int64
	threads := make([]handlers.Thread, 0, len(all))
	for _, t := range newestFirst(all) {
		shown := handlers.Thread{
			ID: t.Channel + "-" + t.Root.TS, Channel: strings.TrimPrefix(t.Channel, "#"), Root: shownMessage(t.Root),
		}
		for _, r := range t.Replies {
			shown.Replies = append(shown.Replies, shownMessage(r))
		}
		messages += int64(1 + len(t.Replies))
		threads = append(threads, shown)
	}
	return threads, messages
}

func shownMessage(m slackfake.Message) handlers.Message {
	out := handlers.Message{At: m.At, Edited: m.Edits > 0, Text: m.Text, Blocks: shownBlocks(m.Blocks)}
	var attachments []struct {
		Color  string          `json:"color"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if json.Unmarshal(m.Attachments, &attachments) == nil {
		for _, a := range attachments {
			out.Attachments = append(out.Attachments, handlers.Attachment{Color: a.Color, Blocks: shownBlocks(a.Blocks)})
		}
	}
	return out
}

type slackText struct {
	Text string `json:"text"`
}

// shownBlocks reads Slack's blocks as far as the page can show them.
func shownBlocks(raw json.RawMessage) []handlers.Block {
	var blocks []struct {
		Type     string      `json:"type"`
		Text     slackText   `json:"text"`
		Fields   []slackText `json:"fields"`
		Elements []struct {
			Text json.RawMessage `json:"text"` // a text in a context, an object in a button
		} `json:"elements"`
	}
	if json.Unmarshal(raw, &blocks) != nil {
		return nil
	}
	out := make([]handlers.Block, 0, len(blocks))
	for _, b := range blocks {
		shown := handlers.Block{Type: b.Type, Text: b.Text.Text}
		for _, f := range b.Fields {
			shown.Fields = append(shown.Fields, f.Text)
		}
		for _, e := range b.Elements {
			var label slackText
			var text string
			if json.Unmarshal(e.Text, &text) == nil {
				shown.Items = append(shown.Items, text)
			} else if json.Unmarshal(e.Text, &label) == nil {
				shown.Buttons = append(shown.Buttons, label.Text)
			}
		}
		out = append(out, shown)
	}
	return out
}
