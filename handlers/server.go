package handlers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"

	"callwatch/handlers/limits"
)

// maxHeaderBytes bounds a request's header: signatures and tokens are short. Its lines are bounded
// by package limits.
const maxHeaderBytes = 16 << 10

// Server is the HTTP side on a listener, with its timeouts and limits.
type Server struct {
	listener net.Listener
	http     *http.Server
	inFlight *limits.Budget
	handler  atomic.Pointer[http.Handler]
}

// Listen opens the address; requests wait until Serve is called.
func Listen(addr string, c Config) (*Server, error) {
	c = c.withDefaults()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks: %w", err)
	}
	inFlight := limits.NewBudget(c.Limits.InFlight)
	secured, err := c.TLS.open(c.Log)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	bounded := inFlight.Listen(l, limits.Connections(c.Limits.Conns))
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{listener: bounded, inFlight: inFlight}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }),
		ReadHeaderTimeout: c.Timeouts.Header,
		ReadTimeout:       c.Timeouts.Read,
		WriteTimeout:      c.Timeouts.Write,
		IdleTimeout:       c.Timeouts.Idle,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	s.Use(c)
	bounded.Attach(s.http)
	if secured != nil {
		s.listener = tls.NewListener(bounded, secured)
	}
	s.http.RegisterOnShutdown(cancel) // ends the console streams; a webhook in hand is still stored
	return s, nil
}

// Use answers new requests with another configuration. The limits of connections and of
// what is in flight, and the timeouts, stay those of Listen.
func (s *Server) Use(c Config) {
	h := routes(c.withDefaults(), s.inFlight)
	s.handler.Store(&h)
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
