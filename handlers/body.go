package handlers

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
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
	believed  = 4        // one part in so many of it, then there is room for all
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
	open, known := inflater(r.Header.Values("Content-Encoding"))
	if !known {
		return nil, BadEncoding
	}
	wire := &wire{from: http.MaxBytesReader(w, r.Body, limit)}
	body, outcome := readLimited(wire, r.ContentLength, limit, g)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(wire.err, &tooLarge):
		return nil, TooLarge
	case wire.err != nil:
		return nil, Incomplete
	case outcome != Accepted || open == nil:
		return body, outcome
	default:
		return a.inflate(r.Context(), open, body, g)
	}
}

// inflate undoes the compression of a body that has arrived. Few are inflated at a
// time: a kilobyte sent makes megabytes of work, for which others must not wait.
func (a *app) inflate(ctx context.Context, open opener, packed []byte, g *grant) ([]byte, Outcome) {
	select {
	case a.inflating <- struct{}{}:
		defer func() { <-a.inflating }()
	case <-ctx.Done():
		return nil, Incomplete
	}
	defer g.release(int64(cap(packed)))
	src, err := open(bytes.NewReader(packed))
	if err != nil {
		return nil, BadEncoding
	}
	return readLimited(src, -1, a.Limits.Body, g)
}

// readLimited reads src, declared bytes or -1, to its end: BadEncoding where it fails, which the caller
// corrects if the connection was the cause.
func readLimited(src io.Reader, declared, limit int64, g *grant) ([]byte, Outcome) {
	var buf []byte
	size := max(min(declared+1, maxHint), minBuffer)
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
			if size *= 2; size < declared && size >= declared/believed {
				size = declared + 1
			}
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
