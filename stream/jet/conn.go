// Package jet is the connection to JetStream as each stream of the store uses it: seals of
// messages, foreign messages, reading in order, and the classes of errors. Of callwatch it
// imports package names.
package jet

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	embeddedWait = 10 * time.Second // the disk may be slow
	// externalWait is less: a request to a server that died is never answered,
	// and its successor in the cluster is there within seconds.
	externalWait = 4 * time.Second
)

// Conn is the connection to a server, and what is known of the messages there.
type Conn struct {
	NC       *nats.Conn
	JS       jetstream.JetStream
	Log      *slog.Logger
	Embedded bool // the server runs in this process
	ReadOnly bool // nothing is changed on the server
	Closed   context.Context
	Cancel   context.CancelFunc
	Stuck    chan struct{} // a reader asks for a restart of the embedded server

	Seals      sync.Map // by stream
	foreigners foreigners
	wellFormed func(stream, subject string, h nats.Header) error
}

// NewConn returns a conn that is not connected. wellFormed checks a message that was
// stored before seals.
func NewConn(log *slog.Logger, wellFormed func(stream, subject string, h nats.Header) error) *Conn {
	c := &Conn{Log: log, Stuck: make(chan struct{}, 1), wellFormed: wellFormed}
	c.Closed, c.Cancel = context.WithCancel(context.Background())
	return c
}

// RequestWait is how long one request to the server may take.
func (c *Conn) RequestWait() time.Duration {
	if c.Embedded {
		return embeddedWait
	}
	return externalWait
}
