package attack

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"callwatch/tools/faults/rig"
)

// crowd counts what attackers of one kind did.
type crowd struct {
	address, token string // token of an operator, for drafts
	bomb           string
	done           struct{ slow, held, drafts, judged, bombed, flooded, taken, sent atomic.Int64 }
}

// hold opens connections and sends a byte of a header now and then.
func (a *crowd) hold(ctx context.Context, n int) {
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
			a.done.held.Store(max(a.done.held.Load(), int64(len(open))))
		}
		rig.Pause(ctx, time.Second)
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
func (a *crowd) bombs(ctx context.Context) {
	bodies := []struct{ encoding, body string }{
		{"gzip", a.bomb},
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
		a.done.bombed.Add(1)
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
func (a *crowd) floods(ctx context.Context) {
	for ctx.Err() == nil {
		if a.post(ctx, "/webhooks/telnyx", "", `{"data":{"event_type":"call.hangup"}}`) == http.StatusOK {
			a.done.taken.Add(1)
		}
		a.done.flooded.Add(1)
	}
}

func (a *crowd) post(ctx context.Context, path, encoding, body string) int {
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

// slow sends, again and again, a form or a header that does not end.
func (a *crowd) slow(ctx context.Context, i int) {
	const form = " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
	begins := []string{
		"POST /webhooks/telnyx" + form + "4000000\r\n\r\n",
		"POST /slack/interactions" + form + "1000000\r\n\r\n",
		"POST /webhooks/atoms" + form + "4000000\r\n\r\n",
		"POST /login" + form + "16000\r\n\r\n",
		"POST /login HTTP/1.1\r\n",
	}
	part := strings.Repeat("a=b&", 16<<10)
	for ; ctx.Err() == nil; i++ {
		c, err := net.DialTimeout("tcp", a.address, time.Second)
		if err != nil {
			rig.Pause(ctx, 100*time.Millisecond)
			continue
		}
		a.done.slow.Add(1)
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		kind := i % len(begins)
		_, err = io.WriteString(c, begins[kind])
		for n := 0; err == nil && rig.Pause(ctx, 250*time.Millisecond); n++ {
			switch kind {
			case len(begins) - 1:
				_, err = fmt.Fprintf(c, "%x:\r\n%x:\r\n", 2*n, 2*n+1)
			case len(begins) - 2:
				_, err = io.WriteString(c, part[:100])
			default:
				var sent int
				sent, err = io.WriteString(c, part)
				a.done.sent.Add(int64(sent))
			}
		}
		stop()
		_ = c.Close()
	}
}

// draft has hostile rules checked, one draft after the other.
func (a *crowd) draft(ctx context.Context, seed uint64) {
	hostile := []string{
		"rules: [" + strings.Repeat("{a: ", 20_000),
		"a: &a [x,x,x,x,x,x,x,x,x]\n" + strings.Repeat("b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n", 1000),
		"rules:\n" + strings.Repeat("  - {name: r, when: mos < 3}\n", 50_000),
		"rules:\n  - name: deep\n    when: " + strings.Repeat("(", 30_000) + "mos < 3" + strings.Repeat(")", 30_000) + "\n",
		"rules:\n  - name: long\n    when: " + strings.Repeat("mos < 3 or ", 100_000) + "mos < 2\n",
		"rules:\n  - name: text\n    when: mos < 3\n    summary: '" + strings.Repeat("{{range .}}", 10_000) + "'\n",
	}
	for i := seed; ctx.Err() == nil; i++ {
		body, err := json.Marshal(map[string]string{"rules": hostile[i%uint64(len(hostile))]})
		if err != nil {
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.address+"/api/v1/rules/check", strings.NewReader(string(body)))
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+a.token)
		req.Header.Set("Content-Type", "application/json")
		a.done.drafts.Add(1)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			a.done.judged.Add(1)
		}
	}
}
