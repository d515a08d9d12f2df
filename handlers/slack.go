package handlers

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxInteraction bounds an interaction in bytes; Slack repeats the message in it.
const maxInteraction = 1 << 20

// interactionsPath is that of the usual workspace; below it are those of the others.
const interactionsPath = "/slack/interactions"

// InteractionsPath is where Slack sends what people click in a workspace, "" for the
// usual one.
func InteractionsPath(workspace string) string {
	return strings.TrimSuffix(interactionsPath+"/"+workspace, "/")
}

// Interactions answers what people click in Slack: header and exact body in,
// status and body out. It verifies them itself.
type Interactions func(ctx context.Context, header http.Header, body []byte) (status int, answer []byte)

func (answer Interactions) handle(c echo.Context) error {
	r := c.Request()
	body, err := io.ReadAll(r.Body) // buffered
	if err != nil {
		return err
	}
	status, text := answer(r.Context(), r.Header, body)
	return c.Blob(status, "text/plain; charset=utf-8", text)
}
