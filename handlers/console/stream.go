package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	heartbeat = 15 * time.Second // so that proxies and browsers know the stream lives
	sendTime  = 10 * time.Second // for one write to a slow browser
)

// stream is one browser's stream of server-sent events. The first error of the
// connection stays.
type stream struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	conn *http.ResponseController
	err  error
}

// openStream begins a stream; done gives its place back.
func (c *console) openStream(ec echo.Context) (to *stream, done func(), err error) {
	if c.streams.Add(1) > int64(c.Streams) {
		c.streams.Add(-1)
		return nil, nil, &failure{status: http.StatusServiceUnavailable, title: "Too many pages are open", detail: "Close some of them: each follows what happens."}
	}
	w := ec.Response()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	to = &stream{w: w, conn: http.NewResponseController(w)}
	_ = to.conn.SetReadDeadline(time.Time{}) // of the request, which is over
	to.write("retry: 1000\n\n")
	return to, func() { c.streams.Add(-1) }, nil
}

// send writes one event. Every kind of line end starts a new data line: a lone
// CR in provider text would else end the event.
func (s *stream) send(id uint64, name, data string) {
	var out strings.Builder
	fmt.Fprintf(&out, "id: %d\nevent: %s\n", id, name)
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data), "\n") {
		fmt.Fprintf(&out, "data: %s\n", line)
	}
	out.WriteString("\n")
	s.write(out.String())
}

func (s *stream) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	if s.err = s.conn.SetWriteDeadline(time.Now().Add(sendTime)); s.err != nil {
		return
	}
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.conn.Flush()
	}
}

func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// beat keeps a quiet stream alive until ctx ends, and ends what it is for when
// the browser is gone.
func (s *stream) beat(ctx context.Context, end func()) (stopped <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(heartbeat)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				if s.write(": still here\n\n"); s.failure() != nil {
					end()
					return
				}
			}
		}
	}()
	return done
}
