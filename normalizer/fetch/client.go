// Package fetch sends the requests that the providers' REST descriptions make,
// and says what came of each: one client per provider, with one address, a rate
// limit and a circuit. It tries once; trying again is the caller's.
package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"callwatch/normalizer"
)

// Options are what may differ between clients. Only Now is needed.
type Options struct {
	Now func() time.Time
	// Wait pauses until a request may be sent; nil is a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Rate is the number of requests a second; 0 is the provider's.
	Rate float64
	// MaxWait is how long Do waits for the rate limit before it answers
	// Throttled; 0 is 5 s.
	MaxWait time.Duration
	// Timeout bounds a request with its answer; 0 is 30 s.
	Timeout time.Duration
	// Circuit gives the circuit's settings; zero is 5 failures, 10 s to 5 min.
	Circuit Circuit
}

// maxBody bounds an answer in bytes, after decompression: a page of a thousand
// calls, or a call report of the largest kind, is below.
const maxBody = 8 << 20

// Client asks one provider. It is safe for concurrent use.
type Client struct {
	rest *normalizer.REST
	keys normalizer.Keys
	base *url.URL
	opts Options
	http *http.Client

	mu      sync.Mutex
	bucket  *rate.Limiter
	circuit Circuit
	hold    hold
	refused time.Time // when the credentials were refused last, zero once they worked again
}

// New makes the client of a provider. The error says which setting is missing or
// wrong, without its value.
func New(p normalizer.Provider, keys normalizer.Keys, o Options) (*Client, error) {
	if p.REST == nil {
		return nil, fmt.Errorf("%s has nothing to fetch", p.Name)
	}
	if missing := p.REST.Missing(keys); len(missing) > 0 {
		return nil, fmt.Errorf("%s is not set", p.EnvName(missing[0]))
	}
	named := len(keys[normalizer.APIURL]) > 0 && keys[normalizer.APIURL][0] != ""
	base, err := parseBase(p.REST.BaseURL(keys), named)
	if err != nil {
		if named {
			return nil, fmt.Errorf("%s: %w", p.EnvName(normalizer.APIURL), err)
		}
		return nil, fmt.Errorf("address of the API of %s: %w", p.Name, err)
	}
	o = o.withDefaults(p.REST.Rate)
	return &Client{
		rest: p.REST, keys: keys, base: base, opts: o,
		http:    newHTTP(dialer{host: hostPort(base), named: named}),
		bucket:  rate.NewLimiter(rate.Limit(o.Rate), max(1, int(o.Rate))),
		circuit: o.Circuit,
	}, nil
}

func (o Options) withDefaults(providerRate float64) Options {
	if o.Rate <= 0 {
		o.Rate = providerRate
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 5 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Circuit.Failures <= 0 {
		o.Circuit = Circuit{Failures: 5, Pause: 10 * time.Second, Longest: 5 * time.Minute}
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return o
}

// wait pauses by a timer; it ends early with the context.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// parseBase checks the address of an API. Plain HTTP has to be the operator's
// own word. Errors never quote the address: it may hold a password.
func parseBase(address string, named bool) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("not a URL")
	case u.User != nil:
		return nil, errors.New("must not hold a user or a password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("must not hold a query or a fragment")
	case u.Scheme != "https" && !(u.Scheme == "http" && named):
		return nil, errors.New("not an https URL")
	}
	return u, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// newHTTP is a client that follows no redirect, uses no proxy of the
// environment and connects to one host.
func newHTTP(d dialer) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            d.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        16,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        90 * time.Second,
		},
	}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Health is the state of the requests to the provider.
type Health struct {
	Circuit State
	Until   time.Time // nothing is asked before; zero for now
	Denied  time.Time // since when the credentials are refused; zero when they are not
}

// Health is that of now.
func (c *Client) Health() Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.opts.Now()
	h := Health{Circuit: c.circuit.State(now), Denied: c.refused}
	if h.Circuit == Open {
		h.Until = c.circuit.until
	}
	if c.hold.until.After(now) && c.hold.until.After(h.Until) {
		h.Until = c.hold.until
	}
	return h
}
