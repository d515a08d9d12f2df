// Package sse sends a browser events over one answer that stays open (server-sent
// events). It knows nothing of what is sent.
package sse

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// Heartbeat is how often a quiet stream says that it lives, to proxies and browsers.
	Heartbeat = 15 * time.Second

	sendTime = 10 * time.Second // for one write to a slow browser
)

// Stream is one browser's stream of server-sent events. The first error of the
// connection stays.
type Stream struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	conn *http.ResponseController
	err  error
}

// Open begins a stream as the answer to a request.
func Open(w http.ResponseWriter) *Stream {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no")
	to := &Stream{w: w, conn: http.NewResponseController(w)}
	_ = to.conn.SetReadDeadline(time.Time{}) // of the request, which is over
	to.write("retry: 1000\n\n")
	return to
}

// Send writes one event. Every kind of line end starts a new data line: a lone
// CR in provider text would else end the event.
func (s *Stream) Send(id uint64, name, data string) {
	var out strings.Builder
	fmt.Fprintf(&out, "id: %d\nevent: %s\n", id, name)
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data), "\n") {
		fmt.Fprintf(&out, "data: %s\n", line)
	}
	out.WriteString("\n")
	s.write(out.String())
}

func (s *Stream) write(text string) {
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

// Err is the first error of the connection.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Beat says that the stream lives.
func (s *Stream) Beat() { s.write(": still here\n\n") }

// KeepAlive keeps a quiet stream alive until ctx ends, and ends what it is for when
// the browser is gone.
func (s *Stream) KeepAlive(ctx context.Context, end func()) (stopped <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(Heartbeat)
		defer every.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
				if s.Beat(); s.Err() != nil {
					end()
					return
				}
			}
		}
	}()
	return done
}
