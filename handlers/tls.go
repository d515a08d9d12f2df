package handlers

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate names the files of a certificate chain and its key.
type Certificate struct{ Cert, Key string }

// certificateCheck is the least time between two looks at the files.
const certificateCheck = time.Second

// certificate is the pair of files as last read.
type certificate struct {
	Certificate
	log *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	changed [2]time.Time // of the files, when they were read
	pair    *tls.Certificate
}

// open is the configuration of a listener with the certificate; nil where there is
// none. HTTP/2 is off: the limits are by connection and request.
func (f Certificate) open(log *slog.Logger) (*tls.Config, error) {
	if f.Cert == "" {
		return nil, nil
	}
	c := &certificate{Certificate: f, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(time.Now()), nil },
	}, nil
}

// current is the certificate, read again where a file has changed. Files that do not
// belong together, as while they are replaced, leave the old one in use.
func (c *certificate) current(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < certificateCheck {
		return c.pair
	}
	c.looked = now
	if changed, err := c.times(); err == nil && changed != c.changed {
		if err := c.read(); err != nil {
			c.log.Warn("the new certificate is not used", "err", err)
		} else {
			c.log.Info("certificate read again", "file", c.Cert, "until", c.pair.Leaf.NotAfter)
		}
	}
	return c.pair
}

func (c *certificate) times() (at [2]time.Time, err error) {
	for i, name := range []string{c.Cert, c.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return at, err
		}
		at[i] = info.ModTime()
	}
	return at, nil
}

func (c *certificate) read() error {
	changed, err := c.times()
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.Cert, err)
	}
	c.pair, c.changed = &pair, changed
	return nil
}
