package slackfake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gorilla/websocket"
)

// socketPath is where Socket Mode connects to.
const socketPath = "/socket"

// socket is one connection of an app in Socket Mode.
type socket struct {
	conn *websocket.Conn
	acks chan string
}

// openConnection answers apps.connections.open.
func (s *Server) openConnection(r *http.Request) reply {
	return reply{"ok": true, "url": "ws://" + r.Host + socketPath}
}

// serveSocket holds a connection until the app leaves.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
	if err != nil {
		return // answered by Upgrade
	}
	defer func() { _ = conn.Close() }()
	c := &socket{conn: conn, acks: make(chan string, 100)}
	if conn.WriteJSON(reply{"type": "hello", "num_connections": 1, "connection_info": reply{"app_id": "A0000001"}}) != nil {
		return
	}
	s.mu.Lock()
	s.socket = c
	s.announce()
	s.mu.Unlock()
	for {
		var ack struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if conn.ReadJSON(&ack) != nil {
			close(c.acks)
			return
		}
		select {
		case c.acks <- ack.EnvelopeID:
		default: // nobody asks
		}
	}
}

// Deliver sends a payload to the app in Socket Mode and waits until the app has
// acknowledged it.
func (s *Server) Deliver(ctx context.Context, payload []byte) error {
	s.mu.Lock()
	c := s.socket
	s.envelopes++
	id := "envelope-" + strconv.Itoa(s.envelopes)
	s.mu.Unlock()
	if c == nil {
		return errors.New("no app is connected")
	}
	err := c.conn.WriteJSON(reply{"envelope_id": id, "type": "interactive", "accepts_response_payload": false, "payload": json.RawMessage(payload)})
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case got, ok := <-c.acks:
			if !ok {
				return errors.New("the app has left")
			}
			if got == id {
				return nil
			}
		}
	}
}

// Connected says whether an app is there in Socket Mode. Changed tells when one comes.
func (s *Server) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket != nil
}
