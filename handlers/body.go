package handlers

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"

	minBuffer = 512
	maxHint   = 64 << 10 // a declared length beyond this has to arrive before it is believed
)

// budget bounds the bytes of all bodies held at one time.
type budget struct{ free atomic.Int64 }

func newBudget(n int64) *budget {
	b := new(budget)
	b.free.Store(n)
	return b
}

func (b *budget) take(n int64) bool {
	for {
		free := b.free.Load()
		if n > free {
			return false
		}
		if b.free.CompareAndSwap(free, free-n) {
			return true
		}
	}
}

// grant is what one request holds of the budget. It grows with the bytes that
// really came, so that a declared length reserves nothing.
type grant struct {
	from *budget
	held int64
}

func (g *grant) take(n int64) bool {
	if !g.from.take(n) {
		return false
	}
	g.held += n
	return true
}

func (g *grant) release(n int64) {
	g.from.free.Add(n)
	g.held -= n
}

// readBody reads and inflates a request's body within the limits; the outcome is
// Accepted where it is complete.
func (a *app) readBody(w http.ResponseWriter, r *http.Request, g *grant) ([]byte, Outcome) {
	limit := a.Limits.Body
	if r.ContentLength > limit {
		return nil, TooLarge
	}
	wire := &wire{from: http.MaxBytesReader(w, r.Body, limit)}
	src, outcome := inflate(wire, r.Header.Values("Content-Encoding"))
	if outcome == Accepted {
		var body []byte
		body, outcome = readLimited(src, min(r.ContentLength+1, maxHint), limit, g)
		if outcome == Accepted {
			return body, Accepted
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(wire.err, &tooLarge):
		return nil, TooLarge
	case wire.err != nil:
		return nil, Incomplete
	default:
		return nil, outcome
	}
}

// readLimited reads src to its end: BadEncoding where it fails, which the caller
// corrects if the connection was the cause.
func readLimited(src io.Reader, hint, limit int64, g *grant) ([]byte, Outcome) {
	var buf []byte
	size := max(hint, minBuffer)
	for {
		if len(buf) == cap(buf) {
			size = min(size, limit+1)
			if !g.take(size) {
				return nil, Overloaded
			}
			old := int64(cap(buf))
			grown := make([]byte, len(buf), size)
			copy(grown, buf)
			buf = grown
			g.release(old)
			size *= 2
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, TooLarge
		case err == io.EOF:
			return buf, Accepted
		case err != nil:
			return nil, BadEncoding
		}
	}
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

// inflate undoes one layer of gzip or deflate; other codings are refused.
func inflate(src io.Reader, encodings []string) (io.Reader, Outcome) {
	var err error
	switch strings.ToLower(strings.TrimSpace(strings.Join(encodings, ","))) {
	case "", "identity":
		return src, Accepted
	case "gzip", "x-gzip":
		src, err = gzip.NewReader(src)
	case "deflate":
		src, err = zlib.NewReader(src)
	default:
		return nil, BadEncoding
	}
	if err != nil {
		return nil, BadEncoding
	}
	return src, Accepted
}

// acceptableType is the media type of a header value without its parameters; ""
// stands for a header that is not there. False for types no provider sends.
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
