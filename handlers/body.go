package handlers

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/limits"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

// readBody reads and inflates a request's body within the limits; the outcome is
// Accepted where it is complete.
func (a *app) readBody(w http.ResponseWriter, r *http.Request, g *limits.Grant) ([]byte, Outcome) {
	limit := a.Limits.Body
	if r.ContentLength > limit {
		return nil, TooLarge
	}
	open, known := inflater(r.Header.Values("Content-Encoding"))
	if !known {
		return nil, BadEncoding
	}
	wire := &wire{from: http.MaxBytesReader(w, r.Body, limit)}
	body, err := g.ReadAll(wire, r.ContentLength, limit)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(wire.err, &tooLarge):
		return nil, TooLarge
	case wire.err != nil:
		return nil, Incomplete
	case err != nil || open == nil:
		return body, outcomeOf(err)
	default:
		return a.inflate(r.Context(), open, body, g)
	}
}

// inflate undoes the compression of a body that has arrived. Few are inflated at a
// time: a kilobyte sent makes megabytes of work, for which others must not wait.
func (a *app) inflate(ctx context.Context, open opener, packed []byte, g *limits.Grant) ([]byte, Outcome) {
	select {
	case a.inflating <- struct{}{}:
		defer func() { <-a.inflating }()
	case <-ctx.Done():
		return nil, Incomplete
	}
	defer g.Release(int64(cap(packed)))
	src, err := open(bytes.NewReader(packed))
	if err != nil {
		return nil, BadEncoding
	}
	body, err := g.ReadAll(src, -1, a.Limits.Body)
	return body, outcomeOf(err)
}

// outcomeOf is the outcome of reading a body.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Accepted
	case errors.Is(err, limits.ErrTooLarge):
		return TooLarge
	case errors.Is(err, limits.ErrFull):
		return Overloaded
	default:
		return BadEncoding
	}
}

// parsed is how many times its size a body is held again when it is parsed.
const parsed = 3

// buffered reads the body of a request by an unknown sender before it is handled: like those of
// webhooks, its bytes count against the budget until the request was answered.
func (a *app) buffered(limit int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			held := a.inFlight.Grant(r.Context())
			defer held.Close()
			if r.ContentLength > limit {
				return tooLarge(limit)
			}
			body, err := held.ReadAll(http.MaxBytesReader(c.Response(), r.Body, limit), r.ContentLength, limit)
			var beyond *http.MaxBytesError
			switch {
			case errors.As(err, &beyond), errors.Is(err, limits.ErrTooLarge):
				return tooLarge(limit)
			case errors.Is(err, limits.ErrFull), err == nil && !held.Take(parsed*int64(len(body))):
				return overloaded()
			case err != nil:
				return &problem{status: http.StatusServiceUnavailable, title: "Incomplete", detail: "The request did not arrive in full. Send it again."}
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			return next(c)
		}
	}
}

func tooLarge(limit int64) error {
	return &problem{status: http.StatusRequestEntityTooLarge, title: "Too large", detail: fmt.Sprintf("The body may have %d KiB at most.", limit>>10)}
}

// wire remembers the error of the connection, to tell it from one of the
// compressed data.
type wire struct {
	from io.Reader
	err  error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// opener begins to read what is compressed.
type opener func(io.Reader) (io.Reader, error)

// inflater undoes one layer of gzip or deflate; nil where there is none, false for
// other codings.
func inflater(encodings []string) (open opener, known bool) {
	switch strings.ToLower(strings.TrimSpace(strings.Join(encodings, ","))) {
	case "", "identity":
		return nil, true
	case "gzip", "x-gzip":
		return func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }, true
	case "deflate":
		return func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }, true
	default:
		return nil, false
	}
}

// acceptableType is the media type of a header value without its parameters; ""
// is used where the header is absent. False for types no provider sends.
func acceptableType(header string) (string, bool) {
	switch header {
	case "", typeJSON, typeForm: // as most are
		return header, true
	}
	t, _, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", false
	}
	return t, t == typeJSON || t == typeForm || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")
}

// guessType tells JSON from a form by the first byte.
func guessType(body []byte) string {
	if body = bytes.TrimLeft(body, " \t\r\n"); len(body) == 0 || body[0] == '{' || body[0] == '[' {
		return typeJSON
	}
	return typeForm
}
