package handlers

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
)

// maxInteraction bounds an interaction in bytes; Slack repeats the message in it.
const maxInteraction = 1 << 20

// Interactions answers what people click in Slack: header and exact body in,
// status and body out. It verifies them itself.
type Interactions func(ctx context.Context, header http.Header, body []byte) (status int, answer []byte)

func (a *app) interaction(c echo.Context) error {
	r := c.Request()
	body, err := io.ReadAll(r.Body) // buffered
	if err != nil {
		return err
	}
	status, answer := a.Interactions(r.Context(), r.Header, body)
	return c.Blob(status, "text/plain; charset=utf-8", answer)
}
