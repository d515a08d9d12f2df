package slackpreview

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"callwatch/notifier/slackfake"
)

// Workspace is a Slack workspace in memory on a loopback port: serve --dev and demo
// announce to it, through the same client as to the real one.
type Workspace struct {
	URL    string // of its Web API
	Secret string // signs the clicks

	server *slackfake.Server
	http   *http.Server
	served chan struct{}
}

// StartWorkspace listens until Close.
func StartWorkspace() (*Workspace, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the fake Slack: %w", err)
	}
	server := slackfake.New(slackfake.Config{Now: time.Now})
	w := &Workspace{
		server: server, URL: "http://" + listener.Addr().String() + "/api/", Secret: rand.Text(), served: make(chan struct{}),
		http: &http.Server{Handler: server, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() {
		defer close(w.served)
		_ = w.http.Serve(listener)
	}()
	return w, nil
}

// Close ends it.
func (w *Workspace) Close() {
	_ = w.http.Close()
	<-w.served
}

// Press sends a click on the page as Slack does: signed, to the address for
// interactions.
func (w *Workspace) Press(ctx context.Context, address string, p Press) error {
	payload, err := w.server.Press(p.Message, p.Action, p.Option, slackfake.User{ID: "U0000002", Name: "you"})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoControl, err)
	}
	header, body := slackfake.Request(w.Secret, time.Now(), payload)
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
func (w *Workspace) threads() ([]Thread, int64) {
	all := w.server.Threads()
	var messages int64
	threads := make([]Thread, 0, len(all))
	for _, t := range newestFirst(all) {
		shown := Thread{
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
