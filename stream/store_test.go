package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"callwatch/stream/blocks"
	"callwatch/stream/embedded"
)

// open starts an embedded store that is closed with the test.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" && cfg.URL == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func record(i int) Record {
	return Record{
		Provider: "acme", Source: "webhook", ContentType: "application/json", Key: "k1", CallID: fmt.Sprint("call-", i),
		Header:     map[string]string{"X-Signature": "abc"},
		ReceivedAt: time.Date(2025, 3, 1, 12, 0, 0, i, time.UTC),
		Body:       fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, strings.Repeat("x", i%50)),
	}
}

// body is 1.4 KB of telephony-like JSON.
func body(i int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"data":{"event_type":"call.hangup","id":"%08x-1b2c-4d3e-8f90-%012x","occurred_at":"2025-03-01T12:%02d:%02d.%06dZ","payload":{`, i*7919, i*104729, i%60, i*7%60, i*31%1000000)
	for j := 0; b.Len() < 1350; j++ {
		fmt.Fprintf(&b, `"field_%d":{"packet_count":"%d","jitter_max_variance":"%d.%02d","mos":"%d.%02d","skip_packet_count":"%d"},`, j, i*j%5000, j%40, i%100, 1+i%4, j*i%100, i%17)
	}
	b.WriteString(`"from":"+13125550100","to":"+13125550101"}}}`)
	return b.Bytes()
}

func TestOpenRefusesWrongConfiguration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"nothing":        {Config{}, "neither a data directory nor the URL"},
		"durability":     {Config{Dir: t.TempDir(), Durability: "maybe"}, `durability is "maybe", must be "fsync" or "os"`},
		"replicas":       {Config{Dir: t.TempDir(), Replicas: 3}, "3 replicas need an external NATS cluster"},
		"listener":       {Config{Dir: t.TempDir(), Listen: "4222"}, `address of the NATS listener "4222"`},
		"server is away": {Config{URL: "nats://127.0.0.1:1"}, "connect to the store"},
		"no credentials": {Config{URL: "nats://127.0.0.1:1", CredsFile: filepath.Join(t.TempDir(), "none.creds")}, "connect to the store"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), c.cfg)
			if err == nil {
				closeStore(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSecondProcessOnADirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, Config{Dir: dir})
	_, err := Open(t.Context(), Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "is in use by another callwatch (process ") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
	if _, err := first.Append(t.Context(), record(1)); err != nil {
		t.Errorf("the first suffers: %v", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	meta, err := s.Bucket(t.Context(), metaBucket)
	if err != nil {
		t.Fatal(err)
	}
	value, rev, err := meta.Load(t.Context(), formatKey)
	if err != nil || string(value) != "3" {
		t.Fatalf("format %q, %v", value, err)
	}
	if _, ok, err := meta.Save(t.Context(), formatKey, []byte("9"), rev); !ok || err != nil {
		t.Fatal(ok, err)
	}
	closeStore(t, s)
	_, err = Open(t.Context(), Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "store has format 9, this callwatch reads up to 3") {
		t.Errorf("got %v", err)
	}
}

func TestExternalServer(t *testing.T) {
	t.Parallel()
	srv, _ := externalServer(t, t.TempDir(), -1)
	host := open(t, Config{URL: srv.ClientURL()})
	s := open(t, Config{URL: srv.ClientURL()})
	id, err := s.Append(t.Context(), record(7))
	if err != nil {
		t.Fatal(err)
	}
	r, err := host.Record(t.Context(), id)
	if err != nil || r.CallID != "call-7" {
		t.Errorf("got %+v, %v", r, err)
	}
	h := s.Health(t.Context())
	if !h.OK || h.Embedded || h.Durability != Unproven || h.Server == "" {
		t.Errorf("health %+v", h)
	}
}

// TestExternalServerGoesAway: webhooks are refused at once while the server is
// away, and taken again without a hand; readers go on where they were.
func TestExternalServerGoesAway(t *testing.T) {
	dir := t.TempDir()
	srv, stop := externalServer(t, dir, -1)
	url := srv.ClientURL()
	s := open(t, Config{URL: url})
	seen := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = s.Records(ctx, Position{}, func(records []Record) error {
			for _, r := range records {
				seen <- r.CallID
			}
			return nil
		}, func(d *Damage) { t.Error(d) })
	}()
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	if got := await(t, "the next one is read", seen); got != "call-1" {
		t.Fatal(got)
	}
	stop()
	for range 20 {
		start := time.Now()
		_, err := s.Append(t.Context(), record(2))
		if took := time.Since(start); !errors.Is(err, ErrUnavailable) || took > 2*time.Second {
			t.Fatalf("%v after %v", err, took)
		}
	}
	if h := s.Health(t.Context()); h.OK {
		t.Errorf("health %+v", h)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	externalServer(t, dir, number)
	waitFor(t, func() bool { _, err := s.Append(t.Context(), record(3)); return err == nil })
	if got := await(t, "the next one is read", seen); got != "call-3" {
		t.Errorf("read %s", got)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if _, err := s.Append(t.Context(), record(1)); err != nil {
		t.Fatal(err)
	}
	h := s.Health(t.Context())
	if !h.OK || !h.Embedded || h.Durability != Fsync || h.FreeDisk == 0 || h.URL != "" {
		t.Errorf("health %+v", h)
	}
	if raw := h.Streams[0]; raw.Name != "raw" || raw.Messages != 1 || raw.Last != 1 || raw.Bytes == 0 {
		t.Errorf("raw %+v", raw)
	}
}

// hurried is a server that at times has no millisecond to see that it is ready.
type hurried struct {
	*server.Server
	late int // answers that are
}

func (h *hurried) Healthz(o *server.HealthzOptions) *server.HealthStatus {
	if h.late--; h.late >= 0 {
		return &server.HealthStatus{Status: "error", StatusCode: http.StatusInternalServerError, Error: "failed to be ready for connections after 1ms: startup did not complete"}
	}
	return h.Server.Healthz(o)
}

// A busy processor is no reason to refuse webhooks; a server that ended is.
func TestHealthOnABusyMachine(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	srv := s.node.Running.Load()
	if err := embedded.HealthOf(&hurried{srv, 5}); err != nil {
		t.Errorf("on a busy machine: %v", err)
	}
	if err := embedded.HealthOf(&hurried{srv, 1000}); err == nil {
		t.Error("a server that is never ready is well")
	}
	if err := srv.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
	if err := embedded.HealthOf(&hurried{srv, 5}); err == nil {
		t.Error("a server without JetStream is well")
	}
}

// A stream that is being made is no reason to refuse webhooks; one that cannot be read is.
func TestHealthWhileAStreamIsMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	folder := filepath.Join(blocks.StreamsDir(dir), "MADE")
	begin := func() {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.node.Making.RLock()
	begin()
	health := make(chan error, 1)
	go func() { health <- s.node.Health() }()
	select {
	case err := <-health:
		t.Errorf("while the stream is made: %v", err)
		health <- err
	case <-time.After(100 * time.Millisecond):
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	s.node.Making.RUnlock()
	if err := <-health; err != nil {
		t.Errorf("once the stream is made: %v", err)
	}
	begin()
	if err := s.node.Health(); err == nil {
		t.Error("a server that cannot read a stream is well")
	}
}

func TestDurabilityReachesTheServer(t *testing.T) {
	t.Parallel()
	for durability, syncAlways := range map[Durability]bool{"": true, Fsync: true, OS: false} {
		s := open(t, Config{Durability: durability})
		if got := s.node.Running.Load().JetStreamConfig().SyncAlways; got != syncAlways {
			t.Errorf("%q: sync always %v", durability, got)
		}
	}
}
