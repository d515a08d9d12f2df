package handlers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"callwatch/handlers"
	"callwatch/handlers/api"
	"callwatch/handlers/limits"
	"callwatch/normalizer"
)

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestGzipBomb: 1 GiB of zeros, sent as 1 MB, is cut at the limit.
func TestGzipBomb(t *testing.T) {
	bomb := strings.Repeat(gzipped(t, strings.Repeat("\x00", 1<<20)), 1<<10) // members of one gzip stream
	base := serve(t, handlers.Config{})

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := send(t, "POST", base+"/webhooks/signing", bomb, map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"})
	runtime.ReadMemStats(&after)
	if got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", got.status)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("allocated %d MiB", used>>20)
	}
}

// TestEndlessBody: a chunked body without end is cut at the limit.
func TestEndlessBody(t *testing.T) {
	base := serve(t, handlers.Config{Limits: handlers.Limits{Body: 1 << 20}})
	seen := sendReaderOrCut(t, base+"/webhooks/signing", zeros{})
	if seen != 0 && seen != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", seen)
	}
}

// sendReaderOrCut is the status, or 0 where the server cut the connection while
// the client was still sending.
func sendReaderOrCut(t *testing.T, url string, body io.Reader) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer closing(res.Body)
	return res.StatusCode
}

// TestInFlight: bodies held while the store works count; what goes beyond is
// told to come back, and is taken once there is room.
func TestInFlight(t *testing.T) {
	entered, free := make(chan struct{}, 16), make(chan struct{})
	base := serve(t, handlers.Config{
		Limits:   handlers.Limits{Body: 40 << 10, InFlight: 84 << 10},
		Timeouts: handlers.Timeouts{Store: 5 * time.Second},
		Store: func(ctx context.Context, _ normalizer.Body) (string, error) {
			entered <- struct{}{}
			select {
			case <-free:
			case <-ctx.Done():
			}
			return "raw-1", ctx.Err()
		},
	})
	hook := base + "/webhooks/signing"
	body := strings.Repeat("x", 40<<10)
	tooLarge := func() {
		t.Helper()
		packed := gzipped(t, strings.Repeat("x", 41<<10))
		if got := send(t, "POST", hook, packed, map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}); got.status != 413 {
			t.Errorf("too large: %d", got.status)
		}
	}
	for range 5 { // must not leave more room than there was
		tooLarge()
	}
	first := make(chan answer, 1)
	go func() { first <- send(t, "POST", hook, body, signed(hook, body)) }()
	<-entered

	if got := send(t, "POST", hook, body, signed(hook, body)); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("beyond the limit: %d", got.status)
	}
	if len(entered) > 0 {
		t.Error("the store was reached beyond the limit")
	}
	close(free)
	if got := <-first; got.status != 200 {
		t.Errorf("the first: %d", got.status)
	}
	for range 5 { // would run out if any of it were kept
		if got := send(t, "POST", hook, body, signed(hook, body)); got.status != 200 {
			t.Errorf("once there is room: %d", got.status)
		}
		tooLarge()
	}
}

// TestDeclaredLengthReservesNothing: senders that only announce large bodies
// keep nobody out.
func TestDeclaredLengthReservesNothing(t *testing.T) {
	s := listen(t, handlers.Config{Limits: handlers.Limits{InFlight: 1 << 20}, Timeouts: handlers.Timeouts{Read: 500 * time.Millisecond}})
	for range 5 {
		dial(t, s, "POST /webhooks/signing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n{")
	}
	hook := "http://" + s.Addr().String() + "/webhooks/signing"
	if got := send(t, "POST", hook, jsonBody, signed(hook, jsonBody)); got.status != 200 {
		t.Errorf("status %d", got.status)
	}
}

func dial(t *testing.T, s *handlers.Server, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(conn) })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSlowSenders are cut: one that never ends its header, one that never ends
// its body, one that is silent between requests. Others are served meanwhile.
func TestSlowSenders(t *testing.T) {
	seen := newOutcomes()
	s := listen(t, handlers.Config{
		Observe:  func(o handlers.Observation) { seen.seen <- o },
		Timeouts: handlers.Timeouts{Header: 200 * time.Millisecond, Read: 400 * time.Millisecond, Idle: 200 * time.Millisecond},
	})
	header := dial(t, s, "POST /webhooks/signing HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	body := dial(t, s, "POST /webhooks/signing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	idle := dial(t, s, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	hook := "http://" + s.Addr().String() + "/webhooks/signing"
	if got := send(t, "POST", hook, jsonBody, signed(hook, jsonBody)); got.status != 200 {
		t.Errorf("meanwhile: %d", got.status)
	}
	seen.next(t)

	if _, err := io.ReadAll(header); err != nil {
		t.Errorf("unfinished header: %v", err)
	}
	if rest, err := io.ReadAll(body); err != nil || !strings.HasPrefix(string(rest), "HTTP/1.1 503") {
		t.Errorf("unfinished body: %v %q", err, rest)
	}
	if o := seen.next(t); o.Outcome != handlers.Incomplete {
		t.Errorf("unfinished body counted as %s", o.Outcome)
	}
	if rest, err := io.ReadAll(idle); err != nil || !strings.HasPrefix(string(rest), "HTTP/1.1 200") {
		t.Errorf("idle connection: %v %q", err, rest)
	}
}

// TestBrokenOffBody: a sender that hangs up in the middle leaves nothing behind.
func TestBrokenOffBody(t *testing.T) {
	store, seen := new(memory), newOutcomes()
	s := listen(t, handlers.Config{Store: store.store, Observe: func(o handlers.Observation) { seen.seen <- o }})
	hook := "http://" + s.Addr().String() + "/webhooks/signing"
	closing(dial(t, s, fmt.Sprintf("POST /webhooks/signing HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Sig: %s\r\nContent-Length: 100\r\n\r\n%s",
		s.Addr(), sign(secret, hook, jsonBody), jsonBody)))
	if o := seen.next(t); o.Outcome != handlers.Incomplete || len(store.all()) != 0 {
		t.Errorf("counted as %s, %d stored", o.Outcome, len(store.all()))
	}
}

// TestHungUpAfterSending: what arrived in full is stored although nobody waits
// for the answer.
func TestHungUpAfterSending(t *testing.T) {
	entered, gone, stored := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	base := serve(t, handlers.Config{
		Timeouts: handlers.Timeouts{Store: time.Minute},
		Store: func(ctx context.Context, _ normalizer.Body) (string, error) {
			close(entered)
			<-gone
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond): // the server has noticed by now
			}
			stored <- ctx.Err()
			return "raw-1", nil
		},
	})
	hook := base + "/webhooks/signing"
	ctx, hangUp := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", hook, strings.NewReader(jsonBody))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range signed(hook, jsonBody) {
		r.Header.Set(k, v)
	}
	failed := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = res.Body.Close()
		}
		failed <- err
	}()
	<-entered
	hangUp()
	if err := <-failed; err == nil {
		t.Error("answered before it was stored")
	}
	close(gone)
	if err := <-stored; err != nil {
		t.Errorf("the store was told to give up: %v", err)
	}
}

// ended waits until the server closed a connection; what it had not read yet makes that a
// reset.
func ended(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// TestConnLimit: a connection beyond the limit takes the place of the one that waits longest
// between requests; one whose webhook is being stored keeps its place.
func TestConnLimit(t *testing.T) {
	entered, free := make(chan struct{}), make(chan struct{})
	s := listen(t, handlers.Config{
		Limits: handlers.Limits{Conns: 2}, Timeouts: handlers.Timeouts{Header: time.Minute, Store: time.Minute},
		Store: func(context.Context, normalizer.Body) (string, error) {
			close(entered)
			<-free
			return "raw-1", nil
		},
	})
	hook := "http://" + s.Addr().String() + "/webhooks/signing"
	storing := dial(t, s, fmt.Sprintf("POST /webhooks/signing HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Sig: %s\r\nContent-Length: %d\r\n\r\n%s",
		s.Addr(), sign(secret, hook, jsonBody), len(jsonBody), jsonBody))
	<-entered
	for range 3 {
		idle := dial(t, s, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if got := status(idle); got != "HTTP/1.1 200 OK" {
			t.Fatalf("beyond the limit: %q", got)
		}
		unfinished := dial(t, s, "GET /livez HTTP/1.1\r\nHost: x\r\n")
		if err := ended(idle); err != nil {
			t.Errorf("the idle connection was not closed: %v", err)
		}
		if got := status(dial(t, s, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")); got != "HTTP/1.1 200 OK" {
			t.Fatalf("beyond the limit: %q", got)
		}
		if err := ended(unfinished); err != nil {
			t.Errorf("the connection with half a header was not closed: %v", err)
		}
	}
	close(free)
	if got := status(storing); got != "HTTP/1.1 200 OK" {
		t.Errorf("the webhook in hand: %q", got)
	}
}

// TestSlowStrangers: 1,800 senders of a megabyte each that never finish, and as many headers, stay
// within the budget, and webhooks are taken meanwhile.
func TestSlowStrangers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const budget, perKind = 16 << 20, 600
	s := listen(t, handlers.Config{
		Limits: handlers.Limits{InFlight: budget}, Timeouts: handlers.Timeouts{Header: time.Minute, Read: time.Minute},
		API: &api.API{}, Interactions: map[string]handlers.Interactions{"": func(context.Context, http.Header, []byte) (int, []byte) { return 200, nil }},
	})
	part := strings.Repeat("a=b&", 100<<8) // 100 KB of a megabyte
	kinds := []string{
		"POST /webhooks/signing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n" + part,
		"POST /slack/interactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n\r\n" + part,
		"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n3ff0\r\n" + part[:0x3fe0],
	}
	var header strings.Builder
	header.WriteString("POST /login HTTP/1.1\r\n")
	for i := range limits.MaxHeaderLines - 2 {
		fmt.Fprintf(&header, "a%d:\r\n", i)
	}
	kinds = append(kinds, header.String(), "POST /webhooks/signing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	hook := "http://" + s.Addr().String() + "/webhooks/signing"
	var most uint64
	var slowest time.Duration
	for i := range perKind {
		for _, k := range kinds {
			c, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closing(c) })
			_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)) // who was cut off takes nothing
			_, _ = io.WriteString(c, k)
		}
		if i%20 != 0 {
			continue
		}
		most = max(most, heap())
		begun := time.Now()
		if got := send(t, "POST", hook, jsonBody, signed(hook, jsonBody)); got.status != 200 {
			t.Fatalf("a webhook meanwhile: %d", got.status)
		}
		slowest = max(slowest, time.Since(begun))
	}
	perConn := uint64(len(kinds)*perKind) * 16 << 10 // buffers of both sides
	t.Logf("%d MB above %d MB, slowest webhook %v", (most-before)>>20, before>>20, slowest)
	if most-before > budget+perConn {
		t.Errorf("%d MB are held, the budget is %d MB", (most-before)>>20, budget>>20)
	}
	if slowest > 2*time.Second {
		t.Errorf("a webhook took %v", slowest)
	}
}

// TestHeaderLines: a header of many short lines is refused.
func TestHeaderLines(t *testing.T) {
	s := listen(t, handlers.Config{})
	for lines, want := range map[int]string{limits.MaxHeaderLines - 2: "HTTP/1.1 200 OK", limits.MaxHeaderLines + 1: "HTTP/1.1 400 Bad Request"} {
		if got := status(dial(t, s, "GET /livez HTTP/1.1\r\nHost: x\r\n"+strings.Repeat("a:\r\n", lines-1)+"\r\n")); got != want {
			t.Errorf("%d lines: %q", lines, got)
		}
	}
	// The lines of a body and of the requests before do not count.
	conn := dial(t, s, "")
	in := bufio.NewReader(conn)
	for range 5 {
		body := strings.Repeat("\n", 1000)
		fmt.Fprintf(conn, "POST /webhooks/signing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", strings.Repeat("a:\r\n", 50), len(body), body)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 401 {
			t.Errorf("status %d", res.StatusCode)
		}
	}
}

// status is the first line of an answer, "" where the connection ended before.
func status(conn net.Conn) string {
	line, _, _ := bufio.NewReader(conn).ReadLine()
	return string(line)
}

// TestShutdown: a webhook in hand is stored and answered, then nothing listens.
func TestShutdown(t *testing.T) {
	entered, free := make(chan struct{}), make(chan struct{})
	s, err := handlers.Listen("127.0.0.1:0", handlers.Config{
		Providers: providers(), Timeouts: handlers.Timeouts{Store: time.Minute},
		Store: func(ctx context.Context, _ normalizer.Body) (string, error) {
			close(entered)
			<-free
			return "raw-1", ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	hook := "http://" + s.Addr().String() + "/webhooks/signing"
	answered := make(chan answer, 1)
	go func() { answered <- send(t, "POST", hook, jsonBody, signed(hook, jsonBody)) }()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	close(free)
	if got := <-answered; got.status != 200 {
		t.Errorf("webhook in hand: %d", got.status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if conn, err := net.Dial("tcp", s.Addr().String()); err == nil {
		closing(conn)
		t.Error("still listening")
	}
}

func TestListenErrorNamesAddress(t *testing.T) {
	s := listen(t, handlers.Config{})
	_, err := handlers.Listen(s.Addr().String(), handlers.Config{})
	if err == nil || !strings.Contains(err.Error(), s.Addr().String()) {
		t.Errorf("error %v", err)
	}
}

// watched notes whether it was read.
type watched struct {
	io.Reader
	read bool
}

func (w *watched) Read(p []byte) (int, error) {
	w.read = true
	return w.Reader.Read(p)
}

// TestTokenBeforeBody: of a provider without signature nothing is read for a wrong token.
func TestTokenBeforeBody(t *testing.T) {
	h := handlers.New(handlers.Config{Providers: providers(), Store: new(memory).store})
	for path, want := range map[string]bool{"/webhooks/tokened/wrong": false, "/webhooks/tokened/" + url.PathEscape(urlToken): true, "/webhooks/signing": true} {
		body := &watched{Reader: strings.NewReader(jsonBody)}
		r := httptest.NewRequest("POST", path, body)
		r.Header.Set("Content-Type", "application/json")
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if body.read != want {
			t.Errorf("%s: the body was read: %v", path, body.read)
		}
		if accepted := strings.Contains(path, "t0ken"); accepted != (got.Code == 200) || !accepted && got.Code != 401 {
			t.Errorf("%s: status %d", path, got.Code)
		}
	}
}
