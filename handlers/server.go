package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"callwatch/handlers/limits"
)

// maxHeaderBytes bounds a request's header: signatures and tokens are short. Its lines are bounded
// by package limits.
const maxHeaderBytes = 16 << 10

// Server is the HTTP side on a listener, with its timeouts and limits.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen opens the address; requests wait until Serve is called.
func Listen(addr string, c Config) (*Server, error) {
	c = c.withDefaults()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	inFlight := limits.NewBudget(c.Limits.InFlight)
	bounded := inFlight.Listen(l, limits.Connections(c.Limits.Conns))
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		listener: bounded,
		http: &http.Server{
			Handler:           routes(c, inFlight),
			ReadHeaderTimeout: c.Timeouts.Header,
			ReadTimeout:       c.Timeouts.Read,
			WriteTimeout:      c.Timeouts.Write,
			IdleTimeout:       c.Timeouts.Idle,
			MaxHeaderBytes:    maxHeaderBytes,
			BaseContext:       func(net.Listener) context.Context { return ctx },
			ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		},
	}
	bounded.Attach(s.http)
	s.http.RegisterOnShutdown(cancel) // ends the console streams; a webhook in hand is still stored
	return s, nil
}

// Addr is the address that was opened.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until Shutdown; then it returns nil at once, while
// Shutdown still waits for the requests in hand.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	return nil
}

// Shutdown takes no new requests and waits for those in hand; what is left at
// the end of the context is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down http: %w", errors.Join(err, s.http.Close()))
	}
	return nil
}
