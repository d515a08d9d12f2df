package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ioerror lets every fsync of a running callwatch fail from some moment on, by a
// tracer that answers the system call in the kernel's place, and later succeed
// again: what a failed fsync left unwritten, a later one does not tell.
func ioerror(t *trial) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return skip("strace is not installed")
	}
	w, err := t.witness()
	if err != nil {
		return err
	}
	defer func() { _ = w.close() }()
	p, err := t.install(w)
	if err != nil {
		return err
	}
	defer p.kill()
	l, err := p.load(w, 16, 0.5)
	if err != nil {
		return err
	}
	var a answers
	l.rate, l.watch = 300, a.watch
	l.begin()
	defer l.end()
	times, after := t.times(1, 10), 0
	for i := range times {
		if err := p.start(); err != nil {
			return err
		}
		before := l.acked.Load()
		if err := p.await("the load is taken", time.Minute, func() bool { return l.acked.Load()-before >= 300 }); err != nil {
			return err
		}
		trace := filepath.Join(t.dir, fmt.Sprintf("trace-%d", i))
		tracer := exec.Command("strace", "-f", "-qq", "-ttt", "-o", trace, "-e", "trace=fsync,fdatasync",
			"-e", "inject=fsync,fdatasync:error=EIO", "-p", strconv.Itoa(p.cmd.Process.Pid))
		if err := tracer.Start(); err != nil {
			return err
		}
		detach := func() { _ = tracer.Process.Signal(syscall.SIGTERM); _ = tracer.Wait() }
		err := p.await("an fsync fails", 20*time.Second, func() bool { return !firstInjected(trace).IsZero() })
		if err != nil {
			detach()
			return skip("strace cannot make fsync fail here: %v", err)
		}
		failed := firstInjected(trace)
		pause(t, 3*time.Second)
		detach()
		pause(t, 5*time.Second) // fsync succeeds again
		if last, _, _ := a.seen(); last.After(failed.Add(100 * time.Millisecond)) {
			t.say("a webhook was answered 200 %v after the first failure", last.Sub(failed))
			after++
		}
		if why := p.ready(); !strings.Contains(why, "fsync") && alive(p.cmd.Process.Pid) {
			return fmt.Errorf("readiness does not tell the cause: %s", why)
		}
		p.kill() // as its supervisor would
	}
	l.stop()
	if err := p.start(); err != nil {
		return err
	}
	l.drain()
	t.count("%d of %d times a 200 after it", after, times)
	if err := t.finish(p, w, "%d failures", times); err != nil {
		return err
	}
	if after > 0 {
		return fmt.Errorf("%d times a 200 after a failed fsync", after)
	}
	return nil
}

// firstInjected is when the first system call failed by the tracer's hand.
func firstInjected(trace string) time.Time {
	f, err := os.Open(trace)
	if err != nil {
		return time.Time{}
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); strings.Contains(lines.Text(), "INJECTED") && len(fields) > 1 {
			if s, err := strconv.ParseFloat(fields[1], 64); err == nil {
				return time.UnixMicro(int64(s * 1e6))
			}
		}
	}
	return time.Time{}
}
