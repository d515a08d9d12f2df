package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
)

// Work is long work on what is stored: importing, replaying, erasing. It says how
// far it has come of a total (0: not known) and returns what is to be shown as
// JSON. An error that is a Refusal is shown; of others the log has the cause.
type Work func(ctx context.Context, name string, params url.Values, body io.Reader, progress func(done, total int64)) (any, error)

// Refusal is why work is not done, in words for the person who asked.
type Refusal struct{ Err error }

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// WorkLine is one line of the answer to work: how far it has come, and at the end
// its result or error.
type WorkLine struct {
	Done    int64           `json:"done,omitempty"`
	Total   int64           `json:"total,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"`
	Refused bool            `json:"refused,omitempty"`
}

// tellEvery is how often a client is told how far work has come.
const tellEvery = 200 * time.Millisecond

// doWork answers lines of JSON as long as the work takes; it ends when the client
// goes away.
func (a *app) doWork(name string) echo.HandlerFunc {
	return func(c echo.Context) error { return a.answerWork(c, name) }
}

func (a *app) answerWork(c echo.Context, name string) error {
	w := c.Response()
	conn := http.NewResponseController(w)
	if err := errors.Join(conn.SetReadDeadline(time.Time{}), conn.SetWriteDeadline(time.Time{})); err != nil {
		return err
	}
	begun := false
	write := func(line WorkLine) {
		if !begun {
			begun = true
			w.Header().Set(echo.HeaderContentType, "application/x-ndjson")
			w.WriteHeader(http.StatusOK)
		}
		if json.NewEncoder(w).Encode(line) == nil {
			_ = conn.Flush() // a client that is gone ends the context
		}
	}
	if user := access.UserOf(c); a.WorkRoles[name] > access.Viewer {
		a.Log.Info("work on the store", "work", name, "by", user.Name, "remote", c.RealIP(), "request", requestID(c))
	}
	// An answer that begins before the request is read would cut it off.
	quiet := c.Request().ContentLength != 0
	told := a.Now()
	result, err := a.Work(c.Request().Context(), name, c.QueryParams(), c.Request().Body, func(done, total int64) {
		if now := a.Now(); !quiet && now.Sub(told) >= tellEvery {
			told = now
			write(WorkLine{Done: done, Total: total})
		}
	})
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		write(WorkLine{Error: refusal.Error(), Refused: true})
	case err != nil:
		a.Log.Error("work on the store failed", "work", name, "err", err, "request", requestID(c))
		write(WorkLine{Error: "it failed; the log has the cause under the request id " + requestID(c)})
	default:
		data, err := json.Marshal(result)
		if err != nil {
			return err
		}
		write(WorkLine{Result: data})
	}
	return nil
}
