package handlers_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"callwatch/handlers"
	"callwatch/normalizer"
)

const (
	secret   = "s3cret-signing-key"
	urlToken = "t0ken/with slash"
)

// providers are three stand-ins: one that signs URL and body, one with only a
// URL token, one that the operator left off.
func providers() []handlers.Provider {
	signing := normalizer.Provider{
		Name:     "signing",
		Settings: []normalizer.Setting{{Name: "KEY", Use: normalizer.ForVerify, Secret: true}},
		Headers:  []string{"X-Delivery"},
		Verify: func(r *normalizer.Request, k normalizer.Keys) (string, error) {
			for i, key := range k["KEY"] {
				if hmac.Equal([]byte(sign(key, r.URL, string(r.Body))), []byte(r.Header.Get("X-Sig"))) {
					if r.Header.Get("X-Old") != "" {
						return "", fmt.Errorf("sent an hour ago: %w", normalizer.ErrStale)
					}
					return fmt.Sprintf("KEY %d", i+1), nil
				}
			}
			return "", normalizer.ErrSignature
		},
	}
	return []handlers.Provider{
		{Provider: signing, Keys: normalizer.Keys{"KEY": {"retired", secret}, normalizer.URLToken: {urlToken}}},
		{Provider: normalizer.Provider{Name: "tokened"}, Keys: normalizer.Keys{normalizer.URLToken: {urlToken}}},
		{Provider: normalizer.Provider{Name: "off"}},
	}
}

func sign(key, url, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(url + "\n" + body))
	return hex.EncodeToString(mac.Sum(nil))
}

// memory is a store that keeps what it is given.
type memory struct {
	mu     sync.Mutex
	bodies []normalizer.Body
}

func (m *memory) store(_ context.Context, b normalizer.Body) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bodies = append(m.bodies, b)
	return fmt.Sprintf("raw-%d", len(m.bodies)), nil
}

func (m *memory) all() []normalizer.Body {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]normalizer.Body(nil), m.bodies...)
}

// outcomes collects observations.
type outcomes struct{ seen chan handlers.Observation }

func newOutcomes() outcomes { return outcomes{make(chan handlers.Observation, 1024)} }

func (o outcomes) next(t *testing.T) handlers.Observation {
	t.Helper()
	select {
	case got := <-o.seen:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("no observation")
		return handlers.Observation{}
	}
}

// serve starts a server on loopback and returns its URL.
func serve(t *testing.T, c handlers.Config) string {
	t.Helper()
	s := listen(t, c)
	return "http://" + s.Addr().String()
}

func listen(t *testing.T, c handlers.Config) *handlers.Server { return listenOn(t, "127.0.0.1:0", c) }

func listenOn(t *testing.T, addr string, c handlers.Config) *handlers.Server {
	t.Helper()
	if c.Providers == nil {
		c.Providers = providers()
	}
	if c.Store == nil {
		c.Store = new(memory).store
	}
	s, err := handlers.Listen(addr, c)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// closing ends what was only read from: its error tells nothing.
func closing(c io.Closer) { _ = c.Close() }

type answer struct {
	status int
	header http.Header
	body   string
}

// send makes one request on a connection of its own.
func send(t *testing.T, method, url, body string, header map[string]string) answer {
	t.Helper()
	return sendReader(t, method, url, strings.NewReader(body), header)
}

func sendReader(t *testing.T, method, url string, body io.Reader, header map[string]string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			r.Host = v
		}
		r.Header.Set(k, v)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(res.Body)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

const jsonBody = `{"call":"c-1"}`

// signed are the headers of a rightly signed JSON webhook.
func signed(url, body string) map[string]string {
	return map[string]string{"Content-Type": "application/json", "X-Sig": sign(secret, url, body)}
}

func with(h map[string]string, kv ...string) map[string]string {
	out := map[string]string{}
	for k, v := range h {
		out[k] = v
	}
	for i := 0; i < len(kv); i += 2 {
		out[kv[i]] = kv[i+1]
	}
	return out
}

// shortTimeouts end every request that is not exempt while a test still runs.
func shortTimeouts() handlers.Timeouts {
	const short = 300 * time.Millisecond
	return handlers.Timeouts{Header: short, Read: short, Write: short, Idle: short}
}
