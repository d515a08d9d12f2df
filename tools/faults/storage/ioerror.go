package storage

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

	"callwatch/tools/faults/rig"
)

// Ioerror lets every fsync of a running callwatch fail from some moment on, by a
// tracer that answers the system call in the kernel's place, and later succeed
// again: what a failed fsync left unwritten, a later one does not report.
func Ioerror(t *rig.Trial) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return rig.Skip("strace is not installed")
	}
	r, err := t.Rig(16, 0.5)
	if err != nil {
		return err
	}
	defer r.Close()
	var a answers
	r.Load.Rate, r.Load.Watch = 300, a.watch
	r.Load.Begin()
	times, after := t.Times(1, 10), 0
	for i := range times {
		if err := r.Start(); err != nil {
			return err
		}
		if err := r.Taken(300); err != nil {
			return err
		}
		trace := filepath.Join(t.Dir, fmt.Sprintf("trace-%d", i))
		tracer := exec.Command("strace", "-f", "-qq", "-ttt", "-o", trace, "-e", "trace=fsync,fdatasync",
			"-e", "inject=fsync,fdatasync:error=EIO", "-p", strconv.Itoa(r.Cmd.Process.Pid))
		if err := tracer.Start(); err != nil {
			return err
		}
		detach := func() { _ = tracer.Process.Signal(syscall.SIGTERM); _ = tracer.Wait() }
		err := r.Await("an fsync fails", 20*time.Second, func() bool { return !firstInjected(trace).IsZero() })
		if err != nil {
			detach()
			return rig.Skip("strace cannot make fsync fail here: %v", err)
		}
		failed := firstInjected(trace)
		rig.Pause(t, 3*time.Second)
		detach()
		rig.Pause(t, 5*time.Second) // fsync succeeds again
		if last, _, _ := a.seen(); last.After(failed.Add(t.Span(time.Second, 100*time.Millisecond))) {
			t.Say("a webhook was answered 200 %v after the first failure", last.Sub(failed))
			after++
		}
		if why := r.Ready(); !strings.Contains(why, "fsync") && rig.Alive(r.Cmd.Process.Pid) {
			return fmt.Errorf("readiness does not name the cause: %s", why)
		}
		r.Kill() // as its supervisor would
	}
	if err := r.Afterwards(); err != nil {
		return err
	}
	t.Count("%d of %d times a 200 after it", after, times)
	if err := t.Finish(r.Product, r.Checker, "%d failures", times); err != nil {
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
