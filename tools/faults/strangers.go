package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"callwatch/tools/faults/attack"
)

const (
	containerMemory = 1024 // megabytes, as in the shipped manifests
	besideHeap      = 124  // of it are left beside GOMEMLIMIT, as there
)

// strangers makes 2,000 slow senders, floods of headers, 10,000 connections and hostile drafts of
// rules attack, at the same time, a callwatch that has the memory of the shipped container.
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
	until, latest := time.Now().Add(t.span(5*time.Second, time.Minute)), time.Now().Add(3*time.Minute)
	others, err := attack.Start(attack.Onslaught{Address: r.address, Token: adminToken, Slow: t.times(600, 2000), Conns: t.times(1000, 10_000), Drafts: t.times(2, 8)})
	if err != nil {
		return err
	}
	largest := 0
	// However slow the machine is, they send more than there is memory.
	for alive(r.cmd.Process.Pid) && (time.Now().Before(until) || others.Done().Sent < int64(memory)<<20*5/4 && time.Now().Before(latest)) {
		largest = max(largest, resident(r.cmd.Process.Pid))
		if !pause(t, 100*time.Millisecond) {
			break
		}
	}
	p99, good := times.p99()
	done, err := others.End()
	if err != nil {
		return fmt.Errorf("%w: %w", errSetup, err)
	}
	r.l.end()
	t.count("%d slow forms and headers, %d connections open at once, %d hostile drafts, %d of them judged; %d good requests with p99 %v, %d MB at most, %s of %d MiB", done.Slow, done.Held, done.Drafts, done.Judged,
		good, p99.Round(time.Millisecond), largest, map[bool]string{true: "in a container", false: "no container, the size"}[inContainer], memory)
	if !alive(r.cmd.Process.Pid) {
		return fmt.Errorf("callwatch was killed\n%s", r.lastWords())
	}
	if err := t.finish(r.product, r.w, "attacked"); err != nil {
		return err
	}
	if largest > memory || !t.short && p99 > 100*time.Millisecond || good == 0 || done.Drafts == 0 || done.Held == 0 {
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
