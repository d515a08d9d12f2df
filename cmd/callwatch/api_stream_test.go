package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"callwatch/cmd/callwatch/internal/config"
	"callwatch/handlers/backend"
)

// sse is a client of a stream of server-sent events.
type sse struct {
	t     *testing.T
	lines chan string
	close context.CancelFunc
}

// listen opens a stream; last is the id of the last event that was received.
func listen(t *testing.T, base, path, last string) *sse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(got, "text/event-stream") {
		t.Fatalf("the stream answers %d with %q", res.StatusCode, got)
	}
	s := &sse{t: t, lines: make(chan string, 1000)}
	go func() {
		defer close(s.lines)
		for in := bufio.NewReader(res.Body); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			s.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	s.close = cancel
	t.Cleanup(cancel)
	return s
}

// next is the next event's id, name and data.
func (s *sse) next() (id, name, data string) {
	s.t.Helper()
	late := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-s.lines:
			key, value, _ := strings.Cut(line, ": ")
			switch {
			case !ok:
				s.t.Fatal("the stream has ended")
			case key == "id":
				id = value
			case key == "event":
				name = value
			case key == "data":
				data = value
			case line == "" && data != "":
				return id, name, data
			}
		case <-late:
			s.t.Fatal("nothing came within 30 s")
		}
	}
}

// Whoever comes back with the id of the last event gets all that were stored in
// between and those that come, each once.
func TestStreamResumesWithoutLoss(t *testing.T) {
	t.Parallel()
	_, base := running(t, func(c *config.Config) { c.Rules = writeRules(t, failedRule) })
	failedCall(t, base, butterToken, "before the stream")
	const calls, cuts = 60, 5
	s := listen(t, base, "/events/stream?after=0", "")
	if _, _, data := s.next(); !strings.Contains(data, "before the stream") {
		t.Fatalf("the stream begins with %s", data)
	}
	go func() {
		for i := range calls {
			failedCall(t, base, butterToken, fmt.Sprintf("call_%d", i))
		}
	}()
	last := ""
	for i := range calls {
		if i > 0 && i%(calls/cuts) == 0 {
			s.close()
			s = listen(t, base, "/events/stream", last)
		}
		id, name, data := s.next()
		e := into[backend.StoredEvent](t, []byte(data))
		if want := fmt.Sprintf("call_%d", i); e.Event.CallID != want || name != "event" || id != fmt.Sprint(e.Seq) {
			t.Fatalf("event %s %s is %s, want %s", name, id, e.Event.CallID, want)
		}
		last = id
	}
}

// A stream without a place to go on from begins now; its filter is the rules'.
func TestStreamFromNow(t *testing.T) {
	t.Parallel()
	a, base := running(t, func(c *config.Config) { c.Rules = writeRules(t, failedRule) })
	judgedCalls(t, a, base, "call_1", "call_2")
	events := listen(t, base, `/events/stream?filter=callId%20!=%20%22call_3%22`, "")
	incidents := listen(t, base, "/incidents/stream", "")
	all := listen(t, base, "/incidents/stream?after=0", "")
	judgedCalls(t, a, base, "call_3", "call_4")
	if _, _, data := events.next(); !strings.Contains(data, `"callId":"call_4"`) {
		t.Errorf("the first event is %s", data)
	}
	id, name, data := incidents.next()
	got := into[backend.StoredTransition](t, []byte(data))
	if name != "transition" || id != fmt.Sprint(got.Seq) || got.Transition.Incident.Opening.Call.CallID != "call_3" {
		t.Errorf("the first transition is %s %s", name, data)
	}
	if id, _, data := all.next(); id != "1" || !strings.Contains(data, `"callId":"call_1"`) {
		t.Errorf("the first of all transitions is %s %s", id, data)
	}
}
