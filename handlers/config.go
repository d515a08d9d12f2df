// Package handlers is the HTTP side of callwatch: webhooks in, probes, metrics
// and the console out. It knows no storage and no Slack: what it needs of them
// is given as functions.
package handlers

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"callwatch/handlers/access"
	"callwatch/handlers/api"
	"callwatch/handlers/slackpreview"
	"callwatch/normalizer"
)

// Config is what the HTTP side needs. Providers and Store are required; every
// other zero value has a default.
type Config struct {
	Providers []Provider

	// Store makes a verified body durable and returns the id under which it can
	// be found. It must return by the end of the context; an error means nothing
	// is promised and the sender is told to try again.
	Store func(ctx context.Context, b normalizer.Body) (id string, err error)

	// Test normalizes a verified body of which nothing is kept, and returns how many events
	// it becomes. nil: no tests.
	Test func(b normalizer.Body) (events int, err error)

	// PublicURL is scheme, host and the path prefix a proxy strips, under which
	// providers call. Signatures that cover the URL are checked against it plus
	// path and query. Empty: scheme and host of the request itself.
	PublicURL string

	// Starting answers 503 to all but webhooks and probes: the rest is not there yet.
	Starting bool

	// Dev accepts unsigned webhooks and needs no log-in and no token. Only for
	// a listener on loopback: requests for another host are refused.
	Dev bool

	// ConsoleURL is where browsers find the console, where it is not under PublicURL.
	ConsoleURL string

	TLS Certificate // https on the listener; empty: plain http

	Access access.Config // who may use API and console

	API          *api.API                // nil: no /api
	Work         Work                    // answers POST /api/v1/work/NAME
	WorkRoles    map[string]access.Role  // the names of work, and the role that each needs
	Interactions map[string]Interactions // answer POST /slack/interactions/NAME; that of "" is /slack/interactions

	Preview slackpreview.Feed                   // feed of the page /slack in Dev; nil for none
	Press   slackpreview.Presser                // what controls in the page's messages do; nil: they are shown disabled
	Ready   func(ctx context.Context) Readiness // nil: always ready
	Version any                                 // answered as JSON by /version
	Metrics http.Handler                        // nil: no /metrics
	Observe func(Observation)                   // told the end of every webhook request
	Now     func() time.Time                    // nil: time.Now
	Log     *slog.Logger                        // nil: no log

	Limits   Limits
	Timeouts Timeouts
}

// Provider is a provider with the operator's settings for it.
type Provider struct {
	normalizer.Provider
	Keys     normalizer.Keys
	Accounts []Account // beside the provider's own settings
}

// Account is one of several accounts of a provider, with the operator's settings for it.
type Account struct {
	Name string
	Keys normalizer.Keys
}

// Limits bound what strangers can make the server hold. 0 is the default.
type Limits struct {
	Body     int64 // bytes of one body, as sent and inflated (4 MiB)
	InFlight int64 // bytes of all bodies and headers held at one time (64 MiB); beyond, the slowest senders are cut off
	Conns    int   // open connections (4096, or half of the descriptors); beyond, those that wait longest are cut off
	Streams  int   // open streams of the console, and of the API (64)
}

// Timeouts end what takes too long. 0 is the default.
type Timeouts struct {
	Header time.Duration // until the request's header is there (5 s)
	Read   time.Duration // until the whole request is there (15 s)
	Write  time.Duration // from the header to the end of the answer (30 s)
	Idle   time.Duration // of a connection between requests (60 s)
	Store  time.Duration // of one Store call (1.5 s: the tightest provider waits 2 s)
}

// Observation is how one webhook request ended.
type Observation struct {
	Provider string // name of a known provider, else "unknown"
	Account  string // whose keys verified it, or whose address was called; "" for none
	Outcome  Outcome
	Key      string        // which key verified it, "" for none
	Bytes    int           // size of the body as far as it was read, inflated
	Took     time.Duration // from the header to the decision
	ID       string        // of the stored body, "" for none
	Parent   string        // the traceparent that came with it
}

func (c Config) withDefaults() Config {
	c.Limits = Limits{
		Body:     cmp.Or(c.Limits.Body, 4<<20),
		InFlight: cmp.Or(c.Limits.InFlight, 64<<20),
		Conns:    cmp.Or(c.Limits.Conns, 4096),
		Streams:  cmp.Or(c.Limits.Streams, 64),
	}
	c.Timeouts = Timeouts{
		Header: cmp.Or(c.Timeouts.Header, 5*time.Second),
		Read:   cmp.Or(c.Timeouts.Read, 15*time.Second),
		Write:  cmp.Or(c.Timeouts.Write, 30*time.Second),
		Idle:   cmp.Or(c.Timeouts.Idle, time.Minute),
		Store:  cmp.Or(c.Timeouts.Store, 1500*time.Millisecond),
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) Readiness { return Readiness{} }
	}
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
