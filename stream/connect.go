package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"callwatch/stream/embedded"
	"callwatch/stream/jet"
)

const (
	setupWait   = 10 * time.Second // for the embedded server: its disk may be slow
	openAgain   = time.Second
	createTries = 5
	createWait  = 2 * time.Second
	peersWait   = 30 * time.Second // for a server of the cluster that counts as offline because it is slow

	oldestServer      = "2.12" // the first with atomic batches
	oldestServerMajor = 2
	oldestServerMinor = 12
)

// openExternal opens the store on an external server. For cfg.Patience it waits
// for a cluster that is still starting or has no leader.
func (s *Store) openExternal(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, s.cfg.Patience)
	defer cancel()
	for {
		err := s.prepare(ctx)
		if err == nil || !passing(err) {
			return err
		}
		if s.conn.NC != nil {
			s.conn.NC.Close()
		}
		select {
		case <-waiting.Done():
			return err
		case <-time.After(openAgain):
			s.conn.Log.Warn("NATS is not reachable yet, retrying", "err", err)
		}
	}
}

// passing says whether an error of opening may go by itself.
func passing(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// settle runs fn, which looks for something on the server and creates it where
// it is not there. Of two replicas that create the same at once a cluster
// answers one only; the other finds it when it looks again. A cluster in which a
// server has just not been heard of is asked again.
func (s *Store) settle(ctx context.Context, fn func(context.Context) error) error {
	if s.node != nil {
		s.node.Making.RLock()
		defer s.node.Making.RUnlock()
		ctx, cancel := context.WithTimeout(ctx, setupWait)
		defer cancel()
		return fn(ctx)
	}
	begun := time.Now()
	for try := 1; ; try++ {
		once, cancel := context.WithTimeout(ctx, createWait)
		err := fn(once)
		peers := jet.NoPeers(err) && time.Since(begun) < peersWait
		if peers {
			<-once.Done()
		}
		cancel()
		if !peers && (try >= createTries || !errors.Is(err, context.DeadlineExceeded)) || ctx.Err() != nil {
			return err
		}
	}
}

func (s *Store) connect() (err error) {
	if s.conn.NC, err = s.dial("callwatch"); err != nil {
		return err
	}
	if s.conn.JS, err = jetstream.New(s.conn.NC, jetstream.WithDefaultTimeout(s.conn.RequestWait())); err != nil {
		return fmt.Errorf("connect to the store: %w", err)
	}
	if s.node != nil && s.node.Password != "" {
		return embedded.ServeReaders(s.conn.Closed, s.conn.NC)
	}
	return nil
}

// dial opens a connection to the server under a name that its operator sees.
func (s *Store) dial(name string) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		// A frame answered with "unavailable" must not be sent later.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.conn.Log.Warn("connection to the store lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { s.conn.Log.Info("connection to the store restored") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.conn.Log.Warn("store connection", "err", err) }),
	}
	if s.node != nil {
		options = append(options, nats.InProcessServer(s.node))
		if s.node.Password != "" {
			options = append(options, nats.UserInfo(embedded.OwnUser, s.node.Password))
		}
	} else {
		options = append(options, s.cfg.access()...)
	}
	nc, err := nats.Connect(s.cfg.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	return nc, nil
}

// access is how an external server knows us, and we it.
func (c *Config) access() []nats.Option {
	// Accounts are pushed to the servers one after the other: a refusal may pass.
	options := []nats.Option{nats.IgnoreAuthErrorAbort()}
	if c.CredsFile != "" {
		options = append(options, nats.UserCredentials(c.CredsFile))
	}
	if c.CAFile != "" {
		options = append(options, nats.RootCAs(c.CAFile))
	}
	if c.CertFile != "" {
		options = append(options, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	return options
}

// shownURL is the configured address without what is secret in it.
func (c *Config) shownURL() string {
	var shown []string
	for _, one := range strings.Split(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil {
			continue
		}
		u.User = nil
		shown = append(shown, u.String())
	}
	return strings.Join(shown, ",")
}

func (s *Store) checkServer() error {
	version := s.conn.NC.ConnectedServerVersion()
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	if a < oldestServerMajor || a == oldestServerMajor && b < oldestServerMinor {
		return fmt.Errorf("NATS server has version %s, %s or newer is needed", version, oldestServer)
	}
	if s.conn.NC.MaxPayload() < embedded.MaxPayload {
		s.conn.Log.Warn("large webhooks may be refused: raise max_payload of the NATS server",
			"maxPayload", s.conn.NC.MaxPayload(), "recommended", embedded.MaxPayload)
	}
	return nil
}
