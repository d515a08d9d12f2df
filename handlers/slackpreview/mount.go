package slackpreview

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"callwatch/handlers/api"

	"github.com/labstack/echo/v4"
)

//go:embed assets
var assets embed.FS

const (
	quiet     = 250 * time.Millisecond // between two updates of a stream: more often nobody can read
	heartbeat = 15 * time.Second       // so that proxies and browsers know the stream lives
	sendTime  = 10 * time.Second       // for one write to a slow reader
)

// sections are the parts of the page that are sent again when they change: names
// of templates, of SSE events and of elements.
func sections() []string { return []string{"counts", "events", "incidents", "threads"} }

// Env is what the page needs of the HTTP side.
type Env struct {
	Press   Presser                           // what controls in the messages do; nil: they are shown disabled
	Read    func(c echo.Context, v any) error // reads the JSON body of a request
	CSP     string                            // content security policy of the page
	Streams int                               // open streams at most
	Log     *slog.Logger
}

// server serves the page /slack and its stream.
type server struct {
	Env
	feed    Feed
	page    *template.Template
	streams atomic.Int64
}

// Mount adds the page /slack by open, which adds a route that needs no log-in.
func Mount(open func(method, path string, h echo.HandlerFunc, guards ...echo.MiddlewareFunc), feed Feed, env Env) {
	c := &server{Env: env, feed: feed}
	c.page = template.Must(template.New("").Funcs(viewFuncs()).Funcs(c.messageFuncs()).ParseFS(assets, "assets/*.html"))
	read := func(path string, h echo.HandlerFunc) {
		open(http.MethodGet, path, h)
		open(http.MethodHead, path, h)
	}
	read("/slack", c.show)
	open(http.MethodGet, "/console/stream", c.stream)
	if c.Press != nil {
		open(http.MethodPost, "/console/press", c.press)
	}
	for name, contentType := range map[string]string{
		"preview.css": "text/css; charset=utf-8", "preview.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
		"slack.css": "text/css; charset=utf-8", "slack.js": "text/javascript; charset=utf-8",
	} {
		read("/assets/"+name, asset(name, contentType))
	}
}

// asset serves an embedded file; a browser asks each time and is told that it
// did not change.
func asset(name, contentType string) echo.HandlerFunc {
	content, err := assets.ReadFile("assets/" + name)
	sum := sha256.Sum256(content)
	return func(c echo.Context) error {
		if err != nil {
			return fmt.Errorf("read asset: %w", err)
		}
		h := c.Response().Header()
		h.Set("Content-Type", contentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
		http.ServeContent(c.Response(), c.Request(), name, time.Time{}, bytes.NewReader(content))
		return nil
	}
}

func (c *server) show(ec echo.Context) error {
	var page bytes.Buffer
	if err := c.page.ExecuteTemplate(&page, "page", c.feed.Snapshot().bounded()); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	ec.Response().Header().Set("Content-Security-Policy", c.CSP)
	return ec.HTMLBlob(http.StatusOK, page.Bytes())
}

// stream sends each section as a fragment of HTML, all of them at first and then
// those that changed: a reader that reconnects has missed nothing.
func (c *server) stream(ec echo.Context) error {
	if c.streams.Add(1) > int64(c.Streams) {
		c.streams.Add(-1)
		return &api.ProblemDetails{Status: http.StatusServiceUnavailable, Title: "Overloaded", Detail: "Too many streams are open."}
	}
	defer c.streams.Add(-1)

	w := ec.Response()
	conn := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	ctx := ec.Request().Context()
	sent := map[string]string{}
	for ctx.Err() == nil {
		changed := c.feed.Changed()
		update, err := c.update(sent)
		if err != nil {
			return err
		}
		for alive := true; alive; {
			if conn.SetWriteDeadline(time.Now().Add(sendTime)) != nil || send(w, conn, update) != nil {
				return nil //nolint:nilerr // the reader is gone
			}
			update, alive = ": still here\n\n", !await(ctx, changed, heartbeat)
		}
		await(ctx, nil, quiet)
	}
	return nil
}

// await waits for the channel or the end of the context and says whether one of
// them came before the time was up.
func await(ctx context.Context, c <-chan struct{}, atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}

func send(w io.Writer, conn *http.ResponseController, update string) error {
	if _, err := io.WriteString(w, update); err != nil {
		return err
	}
	return conn.Flush()
}

// update is the SSE events of the sections that differ from what was sent, which
// it brings up to date.
func (c *server) update(sent map[string]string) (string, error) {
	snapshot := c.feed.Snapshot().bounded()
	var out strings.Builder
	for _, name := range sections() {
		var html strings.Builder
		if err := c.page.ExecuteTemplate(&html, name, snapshot); err != nil {
			return "", fmt.Errorf("render %s: %w", name, err)
		}
		if last, known := sent[name]; known && last == html.String() {
			continue
		}
		sent[name] = html.String()
		writeEvent(&out, name, html.String())
	}
	return out.String(), nil
}

// writeEvent writes one SSE event. Every kind of line end starts a new data line:
// a lone CR in provider text would else end the event.
func writeEvent(out *strings.Builder, name, data string) {
	data = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data)
	fmt.Fprintf(out, "event: %s\n", name)
	for line := range strings.SplitSeq(data, "\n") {
		fmt.Fprintf(out, "data: %s\n", line)
	}
	out.WriteString("\n")
}
