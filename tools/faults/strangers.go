package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	containerMemory = 1024 // megabytes, as in the shipped manifests
	besideHeap      = 124  // of it are left beside GOMEMLIMIT, as there
)

// strangers makes 2,000 slow senders, floods of headers and hostile drafts of rules attack a
// callwatch that has the memory of the shipped container.
func strangers(t *trial) error {
	r, err := t.rig(8, 0.2)
	if err != nil {
		return err
	}
	defer r.close()
	var times timings
	r.l.rate, r.l.watch = 100, times.note
	r.setenv("CALLWATCH_ADMIN_TOKEN", adminToken)
	r.setenv("CALLWATCH_SLACK_SIGNING_SECRET", "0123456789abcdef0123456789abcdef")
	memory := t.times(containerMemory/2, containerMemory)
	r.setenv("GOMEMLIMIT", fmt.Sprintf("%dMiB", memory-besideHeap))
	inContainer, remove := r.contain(memory << 20)
	defer remove()
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.taken(100); err != nil {
		return err
	}
	times.reset()
	ctx, stop := context.WithTimeout(t, 3*time.Minute)
	defer stop()
	until := time.Now().Add(t.span(5*time.Second, time.Minute))
	a := attack{address: r.address}
	var attackers sync.WaitGroup
	var drafts, answered atomic.Int64
	for i := range t.times(600, 2000) {
		attackers.Go(func() { a.slow(ctx, i) })
	}
	for i := range t.times(2, 8) {
		attackers.Go(func() { r.draft(ctx, uint64(i), &drafts, &answered) })
	}
	largest := 0
	// However slow the machine is, they send more than there is memory.
	for ctx.Err() == nil && alive(r.cmd.Process.Pid) && (time.Now().Before(until) || a.sent.Load() < int64(memory)<<20*5/4) {
		largest = max(largest, resident(r.cmd.Process.Pid))
		pause(ctx, 100*time.Millisecond)
	}
	stop()
	attackers.Wait()
	p99, good := times.p99()
	r.l.end()
	t.count("%d slow forms and headers, %d hostile drafts, %d of them judged; %d good requests with p99 %v, %d MB at most, %s of %d MiB", a.held.Load(), drafts.Load(), answered.Load(),
		good, p99.Round(time.Millisecond), largest, map[bool]string{true: "in a container", false: "no container, the size"}[inContainer], memory)
	if !alive(r.cmd.Process.Pid) {
		return fmt.Errorf("callwatch was killed\n%s", r.lastWords())
	}
	if err := t.finish(r.product, r.w, "attacked"); err != nil {
		return err
	}
	if largest > memory || !t.short && p99 > 100*time.Millisecond || good == 0 || drafts.Load() == 0 {
		return fmt.Errorf("%d MB, p99 %v of %d good requests", largest, p99, good)
	}
	return nil
}

// contain has the next process started in a memory cgroup of so many bytes; false where this
// machine has none to give.
func (p *product) contain(size int) (contained bool, remove func()) {
	for _, root := range []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, "callwatch-faults-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatUint(rand.Uint64(), 36))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
			limit := filepath.Join(dir, file)
			if _, err := os.Stat(limit); err != nil || os.WriteFile(limit, []byte(strconv.Itoa(size)), 0) != nil {
				continue
			}
			p.wrap = append([]string{"/bin/sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, dir}, p.wrap...)
			return true, func() {
				p.kill()
				_ = os.Remove(dir)
			}
		}
		_ = os.Remove(dir)
	}
	return false, func() {}
}

// slow sends, again and again, a form or a header that does not end.
func (a *attack) slow(ctx context.Context, i int) {
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
			pause(ctx, 100*time.Millisecond)
			continue
		}
		a.held.Add(1)
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		kind := i % len(begins)
		_, err = io.WriteString(c, begins[kind])
		for n := 0; err == nil && pause(ctx, 250*time.Millisecond); n++ {
			switch kind {
			case len(begins) - 1:
				_, err = fmt.Fprintf(c, "%x:\r\n%x:\r\n", 2*n, 2*n+1)
			case len(begins) - 2:
				_, err = io.WriteString(c, part[:100])
			default:
				var sent int
				sent, err = io.WriteString(c, part)
				a.sent.Add(int64(sent))
			}
		}
		stop()
		_ = c.Close()
	}
}

// draft has hostile rules checked, one draft after the other.
func (r *rig) draft(ctx context.Context, seed uint64, sent, answered *atomic.Int64) {
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
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url()+"/api/v1/rules/check", strings.NewReader(string(body)))
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+adminToken)
		req.Header.Set("Content-Type", "application/json")
		sent.Add(1)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			answered.Add(1)
		}
	}
}
