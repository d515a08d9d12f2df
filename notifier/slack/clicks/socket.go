package clicks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"callwatch/notifier/delivery"
)

// Listen takes clicks by Socket Mode, over a connection that we open, until ctx
// ends or the connection cannot be opened any more. app is an app-level token
// with the scope connections:write; url is that of the API, "" for Slack's.
func (c *Handler) Listen(ctx context.Context, app delivery.Token, url string) error {
	if url == "" {
		url = slack.APIURL
	}
	api := slack.New("", slack.OptionAppLevelToken(string(app)), slack.OptionAPIURL(strings.TrimRight(url, "/")+"/"),
		slack.OptionHTTPClient(delivery.HTTPClient(delivery.DefaultTimeout)), slack.OptionLog(log.New(io.Discard, "", 0)))
	socket := socketmode.New(api, socketmode.OptionLog(log.New(io.Discard, "", 0)), socketmode.OptionReadLimit(4<<20))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- socket.RunContext(ctx) }()
	for {
		select {
		case err := <-ended:
			return app.Redact(fmt.Errorf("listen by Socket Mode: %w", err))
		case e := <-socket.Events:
			c.event(ctx, socket, e)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), <-ended)
		}
	}
}

// event answers one envelope. One that is not acknowledged is delivered again, so
// a click is acknowledged once it is stored, or where trying again would not help.
func (c *Handler) event(ctx context.Context, socket *socketmode.Client, e socketmode.Event) {
	switch e.Type {
	case socketmode.EventTypeConnected:
		c.Log.Info("Slack Socket Mode connected")
	case socketmode.EventTypeConnectionError, socketmode.EventTypeInvalidAuth:
		c.Log.Warn("Slack Socket Mode not connected", "event", string(e.Type))
	}
	if e.Request == nil || e.Request.EnvelopeID == "" {
		return
	}
	if e.Type == socketmode.EventTypeInteractive {
		if err := c.take(ctx, e.Request.Payload); err != nil && !errors.Is(err, errInteraction) {
			return
		}
	}
	reply, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if err := socket.AckCtx(reply, e.Request.EnvelopeID, nil); err != nil {
		c.Log.Warn("Slack envelope not acknowledged", "err", err)
	}
}
