package main

import (
	"bytes"
	"context"
	"crypto/rand"
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
	secret string // signs what is pressed
}

func startFakeSlack() (*fakeSlack, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the made-up Slack: %w", err)
	}
	server := slackfake.New(slackfake.Config{Now: time.Now})
	f := &fakeSlack{
		server: server, url: "http://" + listener.Addr().String() + "/api/", secret: rand.Text(),
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
	// Buttons work as in the real one, for everybody.
	a.cfg.Slack.SigningSecret, a.cfg.Slack.AppToken, a.cfg.Slack.Groups = Secret(slack.secret), "", ""
	return nil
}

// press sends what a reader of the page pressed the way Slack does: signed, to
// the address for interactions.
func (f *fakeSlack) press(ctx context.Context, address string, p handlers.Press) error {
	payload, err := f.server.Press(p.Message, p.Action, p.Option, slackfake.User{ID: "U0000002", Name: "you"})
	if err != nil {
		return fmt.Errorf("%w: %w", handlers.ErrNoControl, err)
	}
	header, body := slackfake.Request(f.secret, time.Now(), payload)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send the click: %w", err)
	}
	r.Header = header
	client := &http.Client{Timeout: 3 * time.Second} // as long as Slack waits
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("send the click: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the click is answered %s", res.Status)
	}
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
