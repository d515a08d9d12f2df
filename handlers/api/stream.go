package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
)

const (
	eventStream = "text/event-stream"
	heartbeat   = 15 * time.Second // so that proxies and clients know the stream lives
	sendTime    = 10 * time.Second // for one write to a slow reader
)

// Resume says where a stream goes on.
type Resume struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"id of the last event that was received: the stream goes on behind it, without loss"`
	After       string `query:"after" maxLength:"20" doc:"the same, for the first connection; without either the stream begins now"`
}

// from is the sequence behind which the stream begins. One that was never stored
// counts as the last.
func (r *Resume) from(last uint64) (uint64, error) {
	id := r.LastEventID
	if id == "" {
		id = r.After
	}
	if id == "" {
		return last, nil
	}
	seq, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0, badRequest("Last-Event-ID and after are ids of events of this stream.")
	}
	return min(seq, last), nil
}

type eventStreamInput struct {
	EventChoice
	Resume
}

type incidentStreamInput struct{ Resume }

func (s *service) routeEventStream() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "streamEvents", Method: http.MethodGet, Path: "/events/stream", Summary: "Stream events as they are stored",
		Description: "Server-sent events named event, with a StoredEvent as data and its sequence as id.",
		Responses:   answers("200", "Events, until the client leaves", eventStream),
	}, func(ctx context.Context, in *eventStreamInput) (*huma.StreamResponse, error) {
		q, err := in.query()
		if err != nil {
			return nil, err
		}
		ends, err := s.History.Ends(ctx)
		if err != nil {
			return nil, err
		}
		if q.After, err = in.from(ends.Events); err != nil {
			return nil, err
		}
		return s.stream(func(ctx context.Context, to *channel) error {
			return s.History.Follow(ctx, q, func(e backend.StoredEvent) error { return to.send(e.Seq, "event", e) })
		})
	})
}

func (s *service) routeIncidentStream() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "streamIncidents", Method: http.MethodGet, Path: "/incidents/stream", Summary: "Stream transitions of incidents as they are stored",
		Description: "Server-sent events named transition, with a StoredTransition as data and its sequence as id.",
		Responses:   answers("200", "Transitions, until the client leaves", eventStream),
	}, func(ctx context.Context, in *incidentStreamInput) (*huma.StreamResponse, error) {
		ends, err := s.History.Ends(ctx)
		if err != nil {
			return nil, err
		}
		after, err := in.from(ends.Transitions)
		if err != nil {
			return nil, err
		}
		return s.stream(func(ctx context.Context, to *channel) error {
			return s.History.FollowIncidents(ctx, after, func(t backend.StoredTransition) error { return to.send(t.Seq, "transition", t) })
		})
	})
}

// stream answers with what follow sends, until the client is gone.
func (s *service) stream(follow func(ctx context.Context, to *channel) error) (*huma.StreamResponse, error) {
	if s.streams.Add(1) > int64(s.Streams) {
		s.streams.Add(-1)
		return nil, &ProblemDetails{Status: http.StatusServiceUnavailable, Title: "Overloaded", Detail: "Too many streams are open."}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer s.streams.Add(-1)
		e := humaecho.Unwrap(hc)
		h := e.Response().Header()
		h.Set("Content-Type", eventStream+"; charset=utf-8")
		h.Set("X-Accel-Buffering", "no")
		ctx, cancel := context.WithCancel(hc.Context())
		defer cancel()
		to := &channel{w: e.Response(), conn: http.NewResponseController(e.Response())}
		_ = to.conn.SetReadDeadline(time.Time{}) // of the request, which is over
		if to.write(": the stream begins\n\n") != nil {
			return
		}
		var beating sync.WaitGroup
		defer beating.Wait()
		defer cancel()
		beating.Go(func() { to.beat(ctx, cancel) })
		if err := follow(ctx, to); err != nil && ctx.Err() == nil && !to.broken() {
			s.Log.Warn("stream ended", "err", err)
		}
	}}, nil
}

// channel is one client's stream.
type channel struct {
	mu   sync.Mutex
	w    http.ResponseWriter
	conn *http.ResponseController
	err  error // of the connection
}

func (c *channel) send(id uint64, name string, data any) error {
	b, err := json.Marshal(data) // in one line
	if err != nil {
		return err
	}
	return c.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", id, name, b))
}

func (c *channel) write(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.err = c.conn.SetWriteDeadline(time.Now().Add(sendTime)); c.err != nil {
		return c.err
	}
	if _, c.err = c.w.Write([]byte(text)); c.err == nil {
		c.err = c.conn.Flush()
	}
	return c.err
}

func (c *channel) broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// beat keeps a quiet stream alive, and ends it when the client is gone.
func (c *channel) beat(ctx context.Context, end func()) {
	every := time.NewTicker(heartbeat)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if c.write(": still here\n\n") != nil {
				end()
				return
			}
		}
	}
}
