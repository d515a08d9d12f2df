package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callwatch/normalizer"
)

// mostMemory is what callwatch may hold under attack, in megabytes.
const mostMemory = 512

// leastBombs are sent however slow the machine is: twice each kind by each attacker.
const leastBombs = 2 * 4 * 4

// hostile attacks callwatch in several ways at once, while good senders go on.
func hostile(t *trial) error {
	r, err := t.rig(8, 0.2)
	if err != nil {
		return err
	}
	defer r.close()
	var times timings
	r.l.rate, r.l.watch = 100, times.note
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.taken(100); err != nil {
		return err
	}
	bomb, err := gzipped(256 << 20)
	if err != nil {
		return err
	}
	times.reset()
	ctx, stop := context.WithTimeout(t, 3*time.Minute)
	defer stop()
	until := time.Now().Add(t.span(8*time.Second, time.Minute))
	conns := t.times(1000, 10_000)
	a := attack{address: r.address, token: r.secrets.Receive["butter"][normalizer.URLToken][0]}
	var attackers sync.WaitGroup
	attackers.Go(func() { a.hold(ctx, conns) })
	for range 4 {
		attackers.Go(func() { a.bombs(ctx, bomb) })
		attackers.Go(func() { a.floods(ctx) })
	}
	largest := 0
	for ctx.Err() == nil && alive(r.cmd.Process.Pid) && largest <= mostMemory && (time.Now().Before(until) || a.bombed.Load() < leastBombs) {
		largest = max(largest, resident(r.cmd.Process.Pid))
		pause(ctx, 100*time.Millisecond)
	}
	stop()
	attackers.Wait()
	p99, good := times.p99()
	r.l.end()
	t.count("%d connections opened at once, %d bombs and large bodies, %d bad signatures, %d taken of those", a.held.Load(), a.bombed.Load(), a.flooded.Load(), a.taken.Load())
	t.count("%d good requests with p99 %v, %d MB at most", good, p99.Round(time.Millisecond), largest)
	if err := t.finish(r.product, r.w, "attacked"); err != nil {
		return err
	}
	if largest > mostMemory || !t.short && p99 > 100*time.Millisecond || a.taken.Load() > 0 || good == 0 {
		return fmt.Errorf("%d MB, p99 %v, %d taken", largest, p99, a.taken.Load())
	}
	return nil
}

// attack counts what attackers did.
type attack struct {
	address, token               string
	held, bombed, flooded, taken atomic.Int64
	sent                         atomic.Int64 // bytes of bodies
}

// hold opens connections and sends a byte of a header now and then.
func (a *attack) hold(ctx context.Context, n int) {
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for ctx.Err() == nil {
		for len(open) < n && ctx.Err() == nil {
			c, err := net.DialTimeout("tcp", a.address, time.Second)
			if err != nil {
				break
			}
			_, _ = io.WriteString(c, "POST /webhooks/butter HTTP/1.1\r\nHost: x\r\n")
			open = append(open, c)
			a.held.Store(max(a.held.Load(), int64(len(open))))
		}
		pause(ctx, time.Second)
		open = slices.DeleteFunc(open, func(c net.Conn) bool {
			if _, err := io.WriteString(c, "X"); err != nil {
				_ = c.Close()
				return true
			}
			return false
		})
	}
}

// bombs sends what grows when it is read, and bodies of the size of the limit.
func (a *attack) bombs(ctx context.Context, bomb string) {
	bodies := []struct{ encoding, body string }{
		{"gzip", bomb},
		{"", strings.Repeat("[", 4<<20)},
		{"", strings.Repeat("x", 5<<20)},
		{"", `{"a":` + strings.Repeat(`[`, 1<<20)},
	}
	for i := 0; ctx.Err() == nil; i++ {
		b := bodies[i%len(bodies)]
		path := "/webhooks/butter/wrong"
		if i/len(bodies)%2 == 0 {
			path = "/webhooks/atoms" // whose signature covers the body
		}
		a.post(ctx, path, b.encoding, b.body)
		a.bombed.Add(1)
	}
}

// gzipped are so many zeros, compressed.
func gzipped(size int) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(make([]byte, size))
	return b.String(), errors.Join(err, z.Close())
}

// floods sends bad signatures as fast as they are refused.
func (a *attack) floods(ctx context.Context) {
	for ctx.Err() == nil {
		if a.post(ctx, "/webhooks/telnyx", "", `{"data":{"event_type":"call.hangup"}}`) == http.StatusOK {
			a.taken.Add(1)
		}
		a.flooded.Add(1)
	}
}

func (a *attack) post(ctx context.Context, path, encoding, body string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.address+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Telnyx-Signature-Ed25519", strings.Repeat("A", 86)+"==")
	req.Header.Set("Telnyx-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// timings are how long good requests took.
type timings struct {
	sync.Mutex
	took []time.Duration
}

func (m *timings) note(status int, took time.Duration) {
	m.Lock()
	defer m.Unlock()
	if status == http.StatusOK {
		m.took = append(m.took, took)
	}
}

func (m *timings) reset() {
	m.Lock()
	defer m.Unlock()
	m.took = nil
}

func (m *timings) p99() (time.Duration, int) {
	m.Lock()
	defer m.Unlock()
	if len(m.took) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(m.took))
	return sorted[len(sorted)*99/100], len(sorted)
}

// resident memory of a process in megabytes.
func resident(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize() >> 20
}
